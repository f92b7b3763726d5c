"""Lesions against a flood fill in plain Python and scikit-image's labelling."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import label

from imaging_core.inference.lesions import count_lesions


def components(mask: np.ndarray) -> list[set[tuple[int, ...]]]:
    """Connected components, corners included, by flood fill."""
    left = {tuple(map(int, point)) for point in np.argwhere(mask)}
    steps = [step for step in itertools.product((-1, 0, 1), repeat=mask.ndim) if any(step)]
    found = []
    while left:
        component, todo = set(), [left.pop()]
        while todo:
            point = todo.pop()
            component.add(point)
            near = {tuple(x + d for x, d in zip(point, step, strict=True)) for step in steps} & left
            left -= near
            todo += near
        found.append(component)
    return found


def reference(mask: np.ndarray, truth: np.ndarray) -> tuple[int, int, int]:
    predicted, true = components(mask), components(truth)
    found = sum(any(lesion & other for other in predicted) for lesion in true)
    return found, sum(not any(lesion & other for other in true) for lesion in predicted), len(true) - found


def drawn(*rows: str) -> np.ndarray:
    return np.array([[cell == "#" for cell in row] for row in rows])


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=3), st.integers(0, 2**32 - 1), st.floats(0, 0.6), st.floats(0, 0.6)
)
@settings(max_examples=150, deadline=None)
def test_equal_the_reference(shape, seed, said, true):
    random = np.random.default_rng(seed)
    mask, truth = random.random(shape) < said, random.random(shape) < true
    assert count_lesions(mask, truth) == reference(mask, truth)


@pytest.mark.parametrize("seed", range(5))
def test_equal_scikit_image(seed):
    random = np.random.default_rng(seed)
    mask, truth = random.random((60, 80)) < 0.1, random.random((60, 80)) < 0.15
    labels, both = label(truth, connectivity=2), mask & truth
    found = count_lesions(mask, truth)
    assert found.tp == len(np.unique(labels[both]))
    assert found.tp + found.fn == labels.max()
    assert found.fp == label(mask, connectivity=2).max() - len(np.unique(label(mask, connectivity=2)[both]))


def test_pixels_that_touch_at_a_corner_are_one_lesion():
    truth = drawn("#..", ".#.", "..#")
    assert count_lesions(drawn("#..", "...", "..."), truth) == (1, 0, 0)


def test_a_prediction_over_two_lesions_finds_both():
    assert count_lesions(drawn(".####."), drawn("##.##.")) == (2, 0, 0)


def test_two_predictions_in_one_lesion_find_it_once():
    assert count_lesions(drawn("#...#."), drawn("#####.")) == (1, 0, 0)


def test_one_pixel_is_enough_and_none_is_a_miss_and_a_false_alarm():
    truth = drawn("##....", "##....", "......")
    assert count_lesions(drawn("......", ".#####", "......"), truth) == (1, 0, 0)
    assert count_lesions(drawn("....##", "....##", "......"), truth) == (0, 1, 1)


def test_empty_sides():
    some, none = drawn("#.#"), drawn("...")
    assert [count_lesions(*pair) for pair in ((none, none), (some, none), (none, some))] == [
        (0, 0, 0),
        (0, 2, 0),
        (0, 0, 2),
    ]
