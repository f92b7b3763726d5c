"""The maps of a slide's overlapping tiles put together row by row, on the device: what is finished leaves at once.

As in :mod:`imaging_core.inference.blend` each tile is weighted by a Gaussian around its middle; sums are float32, in
the order of the tiles. Only the rows that tiles under way reach are held: four bytes for each of their pixels and each
class, and four more. Where no tile lies all probabilities are 0.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from imaging_core.decode.case import Place
from imaging_core.decode.slide import TileGrid
from imaging_core.inference.blend import gaussian
from imaging_core.transforms.resize import interpolate

SLAB = 64
"""Rows that leave at once."""


class Strip:
    """The part of a slide that is under way.

    Args:
        size: height and width of the slide's level.
        grid: its tiles; they come row by row.
        emit: called with finished maps, classes x some rows x width, from the top.
    """

    def __init__(self, size: tuple[int, ...], grid: TileGrid, emit: Callable[[Tensor], None]) -> None:
        self._height, self._width = size
        self._extent = grid.extent
        self._emit = emit
        self._top = 0
        self._sums: Tensor | None = None
        self._weights: Tensor | None = None

    def put(self, output: Tensor, place: Place) -> None:
        """Add the map of one tile (classes x height x width), resized to its place bilinearly."""
        (row, column), (tall, wide) = place.offset, place.extent
        if self._sums is None or self._weights is None:
            self._sums = output.new_zeros((len(output), tall, self._width))
            self._weights = output.new_zeros((tall, self._width))
        self._finish(min(max(row, 0), self._height))
        if output.shape[1:] != (tall, wide):
            output = interpolate(output[None], (tall, wide), "bilinear")[0]
        top, bottom = max(row, 0), min(row + tall, self._height)
        left, right = max(column, 0), min(column + wide, self._width)
        here = slice(top - row, bottom - row), slice(left - column, right - column)
        there = slice(top - self._top, bottom - self._top), slice(left, right)
        weights = gaussian(place.extent, output.device)[here]
        self._sums[(slice(None), *there)] += output[(slice(None), *here)] * weights
        self._weights[there] += weights

    def end(self) -> None:
        """All tiles have come: the rest is finished."""
        self._finish(self._height)

    def _finish(self, row: int) -> None:
        """Rows above this one get no more tiles."""
        if self._sums is None or self._weights is None:
            raise ValueError("no tile has been put")
        while self._top < row:
            count = min(row - self._top, len(self._weights))
            for first in range(0, count, SLAB):
                rows = slice(first, min(first + SLAB, count))
                weights = self._weights[rows].clamp(min=torch.finfo(torch.float32).tiny)
                self._emit(self._sums[:, rows] / weights)
            for each in (self._sums, self._weights):
                kept = each[..., count:, :].clone()
                each[..., : kept.shape[-2], :] = kept
                each[..., kept.shape[-2] :, :] = 0
            self._top += count
