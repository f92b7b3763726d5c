"""From the outputs of overlapping patches to one map, each weighted by a Gaussian around its middle, on the device.

The weights are MONAI's (``sliding_window_inference(mode="gaussian")``, sigma_scale 0.125), and so is the result. Sums
are float32, in the order of the patches. Beside what it holds of its inputs a case costs four bytes for each voxel at
the model's spacing and each class, and four more for each voxel; then, a few slices at a time, what it takes to bring
the maps to the volume's own voxels, of which one byte each is kept (for each class of a multilabel model).
"""

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from imaging_core.decode.case import Place
from imaging_core.inference.resample import resized

SIGMA = 0.125
"""Standard deviation of the weights along each side, as a part of the side."""

LEAST = 1e-3
"""No weight is smaller, so that each is divided out exactly where it stands alone."""

SLAB = 2**24
"""Values that are brought to the volume's own voxels at once."""


class Blend:
    """The probability maps of one case's patches, put together as they come.

    Args:
        sampled: slices, rows and columns on which the patches lie.
        stored: the same of the volume's own voxels, in the model's orientation.
        keep: makes of probability maps, classes x some slices x rows x columns, what is kept of them.
    """

    def __init__(self, sampled: tuple[int, ...], stored: tuple[int, ...], keep: Callable[[Tensor], Tensor]) -> None:
        self._sampled, self._stored, self._keep = sampled, stored, keep
        self._sums: Tensor | None = None
        self._weights: Tensor | None = None

    def put(self, output: Tensor, place: Place) -> None:
        """Add the map of one patch (classes x depth x height x width) at its place; what lies outside is left out."""
        if self._sums is None or self._weights is None:
            self._sums = output.new_zeros((output.shape[0], *self._sampled))
            self._weights = output.new_zeros(self._sampled)
        weights = gaussian(place.extent, output.device)
        where = [
            (max(offset, 0), min(offset + extent, side))
            for offset, extent, side in zip(place.offset, place.extent, self._sampled, strict=True)
        ]
        there = tuple(slice(*each) for each in where)
        here = tuple(
            slice(begin - offset, end - offset) for (begin, end), offset in zip(where, place.offset, strict=True)
        )
        self._sums[(slice(None), *there)] += output[(slice(None), *here)] * weights[here]
        self._weights[there] += weights[here]

    @property
    def whole(self) -> Tensor:
        """What is kept, (classes x) the volume's own voxels in the model's orientation. Asked for once."""
        if self._sums is None or self._weights is None:
            raise ValueError("no patch has been put")
        maps = self._sums.div_(self._weights)
        self._weights = None
        slices, rows, columns = self._stored
        count = max(1, SLAB // (len(maps) * rows * columns))
        return torch.cat(
            [
                self._keep(resized(maps, self._stored, first, min(count, slices - first)))
                for first in range(0, slices, count)
            ],
            dim=-3,
        )


@lru_cache(maxsize=4)
def gaussian(size: tuple[int, ...], device: torch.device) -> Tensor:
    """The weights of a patch of this size, float32, 1 in the middle and at least LEAST; made once, on the CPU."""
    weights = torch.ones(())
    for axis, side in enumerate(size):
        places = torch.arange(side, dtype=torch.float32) - (side - 1) / 2
        curve = torch.exp(-(places**2) / (2 * (SIGMA * side) ** 2))
        weights = weights * curve.view(-1, *[1] * (len(size) - 1 - axis))
    return weights.clamp_(min=max(float(weights.min()), LEAST)).to(device)
