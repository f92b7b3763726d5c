"""Slice-timing correction: the slices of a scan as if they were taken at the same moment."""

from collections.abc import Sequence

import torch
from torch import Tensor

REACH = 3
"""Volumes before and after that a value is made of."""


def correct_slice_timing(series: Tensor, order: Sequence[int]) -> Tensor:
    """Shift each slice in time to the middle of its volume: ECVL's ``SliceTimingCorrection``.

    A sinc within a Hann window over seven volumes interpolates, weights scaled to sum to 1; before the first volume and
    after the last there is nothing. (ECVL reads the window from a table of 1,201 values: it differs by 1e-5 of the
    signal.) Linear, and differentiable.

    Args:
        series: ... x time x slices x height x width; converted to float32 unless it is floating.
        order: for each slice when it was taken, 0 for the first to slices - 1 for the last, at even intervals.

    Raises:
        ValueError: the order is not one of these slices.
    """
    if series.ndim < 4 or sorted(order) != list(range(series.shape[-3])):
        raise ValueError("the order of a series of time x slices x height x width names each slice's turn once, from 0")
    values = series if series.is_floating_point() else series.to(torch.float32)
    volumes, slices = values.shape[-4:-2]
    turns = torch.tensor(order, dtype=torch.float64)
    shift = ((slices - 1) / 2 - turns) / slices
    time = torch.arange(volumes, dtype=torch.float64)
    distance = time[:, None] + shift[:, None, None] - time  # slices x new time x old time
    window = 0.5 + 0.5 * torch.cos(torch.pi * distance / REACH)
    weights = torch.where(distance.abs() <= REACH, torch.sinc(distance) * window, 0.0)
    weights = (weights / weights.sum(-1, keepdim=True)).to(values.device, values.dtype)
    by_slice = values.movedim(-3, -4).flatten(-2)  # ... x slices x time x pixels
    corrected = torch.matmul(weights, by_slice)
    return corrected.view(*corrected.shape[:-1], *values.shape[-2:]).movedim(-4, -3).contiguous()


def ascending(slices: int) -> list[int]:
    """Slices taken one after the other from the first."""
    return list(range(slices))


def descending(slices: int) -> list[int]:
    """Slices taken one after the other from the last: ECVL's ``down``."""
    return list(range(slices))[::-1]


def interleaved(slices: int) -> list[int]:
    """The first, third, fifth … and then the second, fourth …: ECVL's ``odd``."""
    return [place // 2 if place % 2 == 0 else (slices + 1) // 2 + place // 2 for place in range(slices)]
