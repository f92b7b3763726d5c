"""Slice-timing correction: against a loop over voxels, and on a signal whose value at any time is known."""

import numpy as np
import pytest
import torch

from imaging_core.transforms.slice_timing import ascending, correct_slice_timing, descending, interleaved


def test_orders_are_those_of_ecvl():
    assert ascending(5) == [0, 1, 2, 3, 4]
    assert descending(5) == [4, 3, 2, 1, 0]
    assert interleaved(5) == [0, 3, 1, 4, 2]
    assert interleaved(6) == [0, 3, 1, 4, 2, 5]


@pytest.mark.parametrize("order", [ascending, descending, interleaved])
def test_equals_a_loop(order):
    series = np.random.default_rng(0).integers(0, 1000, (12, 5, 2, 3)).astype(np.uint16)
    expected = np.zeros(series.shape)
    for slice_, turn in enumerate(order(5)):
        for time in range(12):
            moment, total = time + 2 / 5 - turn / 5, 0.0
            for other in range(12):
                x = moment - other
                weight = np.sinc(x) * (0.5 + 0.5 * np.cos(np.pi * x / 3)) if abs(x) <= 3 else 0
                expected[time, slice_] += weight * series[other, slice_]
                total += weight
            expected[time, slice_] /= total
    ours = correct_slice_timing(torch.from_numpy(series)[None], order(5))
    assert ours.dtype == torch.float32
    np.testing.assert_allclose(ours[0], expected, rtol=1e-4, atol=1e-2)


def test_a_slow_wave_is_put_right():
    turns = torch.tensor(interleaved(8), dtype=torch.float64)
    taken = torch.arange(60, dtype=torch.float64)[:, None] + (turns - 3.5) / 8
    series = torch.sin(taken / 3)[..., None, None]
    wave = torch.sin(torch.arange(60) / 3)[:, None].expand(60, 8)
    corrected = correct_slice_timing(series, interleaved(8))[..., 0, 0]
    assert (corrected - wave)[3:-3].abs().max() < 0.02 < 0.1 < (series[..., 0, 0] - wave).abs().max()


def test_what_cannot_be_is_said():
    with pytest.raises(ValueError, match="each slice's turn once"):
        correct_slice_timing(torch.zeros(4, 3, 2, 2), [0, 1, 1])
