"""The shortest decimals, against Python's own formatting."""

import numpy as np
import pytest

from imaging_core.inference.shortest import shortest


def by_text(values):
    return np.array([float(f"{value:.9g}") for value in values.ravel().tolist()]).reshape(values.shape)


def agree(values):
    found = shortest(values)
    assert found.view(np.uint64).tolist() == by_text(values).view(np.uint64).tolist()  # with the signs of zeros
    return found


@pytest.mark.filterwarnings("error")
def test_any_float32_becomes_what_its_text_says():
    bits = np.random.default_rng(0).integers(0, 2**32, 200_000, dtype=np.uint32)
    values = bits.view(np.float32)
    values = values[~np.isnan(values)]
    assert (agree(values).astype(np.float32) == values).all()


@pytest.mark.filterwarnings("error")
def test_scores_become_what_their_text_says():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, [[1], [4], [12], [30]], (4, 50_000)).astype(np.float32)
    agree(logits)
    agree((1 / (1 + np.exp(-logits.astype(np.float64)))).astype(np.float32))


def test_powers_of_ten_and_their_neighbours_ties_and_what_is_not_finite():
    powers = np.array([10.0**power for power in range(-44, 39)], np.float32)
    near = [np.nextafter(powers, np.float32(towards), dtype=np.float32) for towards in (0, np.inf)]
    agree(np.concatenate([powers, *near, -powers]))
    agree((np.arange(2**12) * 2 + 1).astype(np.float32) * np.float32(2.0**-11))  # decimals that end in a five
    agree(np.array([0.0, -0.0, np.inf, -np.inf], np.float32))
    assert np.isnan(shortest(np.array([[np.nan, 1.0]], np.float32))[0, 0])
    assert shortest(np.zeros((0, 3), np.float32)).shape == (0, 3)
