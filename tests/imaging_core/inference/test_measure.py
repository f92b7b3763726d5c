"""What is measured of each kind of model: the classes one by one, wherever they lie in the image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging_core.inference.lesions import count_lesions
from imaging_core.inference.measure import measure
from imaging_core.inference.measured import Measures, Surface
from imaging_core.inference.surface import compare_surfaces
from imaging_core.models.card import Output
from tests.imaging_core.inference.surfaces import reference

BINARY = Output(kind="binary", activation="sigmoid", classes=("lesion",))
LABELS = Output(kind="multilabel", activation="sigmoid", classes=("a", "b"))
FOUR = Output(kind="multiclass", activation="softmax", classes=("a", "b", "c", "d"))
IGNORING = FOUR.model_copy(update={"ignore": 255})
ALL = Measures(surface_tolerance=1.5, lesions=True)


def random_masks(seed: int, classes: int = 2, shape: tuple[int, ...] = (20, 24)) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, shape).astype(np.uint8)
    return np.where(random.random(shape) < 0.7, truth, random.integers(0, classes, shape)).astype(np.uint8), truth


def measured_of(mask, truth):
    return compare_surfaces(mask, truth, 1.5), count_lesions(mask, truth)


def test_a_binary_model_has_its_positive_class():
    mask, truth = (side.astype(bool) for side in random_masks(0))
    found = measure(mask, truth, BINARY, ALL)
    assert (found["surface"].tolerance, found["surface"].unit) == (1.5, "pixels")
    assert found["surface"].classes[1] == pytest.approx(reference(mask, truth, 1.5), abs=1e-9)
    assert found["lesions"] == {1: count_lesions(mask, truth)}


def test_labels_are_measured_plane_by_plane():
    planes = np.array([[side.astype(bool) for side in random_masks(seed)] for seed in (1, 2)]).transpose(1, 0, 2, 3)
    found = measure(planes[0], planes[1], LABELS, ALL)
    for index in range(2):
        expected = measured_of(planes[0][index], planes[1][index])
        assert (found["surface"].classes[index], found["lesions"][index]) == expected


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_classes_are_measured_one_by_one_and_ignored_pixels_are_of_none(dtype):
    mask, truth = random_masks(3, 4)
    truth = truth.astype(dtype)
    truth[4:9, 5:12] = 255
    found = measure(mask, truth, IGNORING, ALL)
    assert sorted(found["surface"].classes) == sorted(found["lesions"]) == [0, 1, 2, 3]
    for index in range(4):
        expected = measured_of((mask == index) & (truth != 255), truth == index)
        assert (found["surface"].classes[index], found["lesions"][index]) == expected


@given(st.permutations(range(4)), st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_other_numbers_for_the_classes_give_the_same_figures(order, seed):
    sides = random_masks(seed, 4)
    renamed = [np.array(order, dtype=np.uint8)[side] for side in sides]
    found, other = measure(*sides, FOUR, ALL), measure(*renamed, FOUR, ALL)
    for index in range(4):
        assert other["surface"].classes[order[index]] == found["surface"].classes[index]
        assert other["lesions"][order[index]] == found["lesions"][index]


@given(st.integers(0, 100), st.lists(st.integers(0, 9), min_size=6, max_size=6), st.sampled_from([2, 3]))
@settings(max_examples=40, deadline=None)
def test_where_a_mask_lies_in_its_image_changes_no_bit(seed, around, axes):
    sides = [side.astype(bool) for side in random_masks(seed, shape=(9, 8, 7)[:axes])]
    pads = [(around[2 * axis], around[2 * axis + 1]) for axis in range(axes)]
    moved = [np.pad(side, pads) for side in sides]
    assert measure(*moved, BINARY, ALL) == measure(*sides, BINARY, ALL)


def test_nothing_on_both_sides():
    nothing = np.zeros((5, 5), dtype=bool)
    found = measure(nothing, nothing, BINARY, ALL)
    assert (found["surface"].classes, found["lesions"]) == ({1: Surface(None, None, 0, 0)}, {1: (0, 0, 0)})


def test_only_what_is_wanted_is_measured():
    sides = [side.astype(bool) for side in random_masks(4)]
    assert set(measure(*sides, BINARY, Measures(surface_tolerance=0.0))) == {"surface"}
    assert set(measure(*sides, BINARY, Measures(lesions=True))) == {"lesions"}
    assert measure(*sides, BINARY, Measures()) == {}
