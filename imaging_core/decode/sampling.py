"""Where values lie between voxels: linear interpolation along one axis, as numbers that any device can apply."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """How the positions of one axis are made of the voxels that were cut out for them.

    Attributes:
        lower: int64, one for each position: the voxel just below it.
        weight: float32, the same: the part of the next voxel above, in [0, 1).
        before: how many zeros come before these positions.
        after: how many come after them.
    """

    lower: NDArray[np.int64]
    weight: NDArray[np.float32]
    before: int = 0
    after: int = 0

    @property
    def plain(self) -> bool:
        """Whether the positions are the voxels themselves, all of them and nothing around."""
        nothing_else = not (self.before or self.after or self.weight.any())
        return nothing_else and int(self.lower[-1]) == len(self.lower) - 1


Sampling = tuple[Line, Line, Line]
"""Of slices, rows and columns."""


def line(first: int, count: int, size: int, stored: int) -> tuple[slice, Line]:
    """Positions of an axis that is resampled from ``stored`` voxels to ``size``.

    Centres of voxels lie at half-integers and both axes cover the same distance (PyTorch's ``align_corners=False``);
    beyond the centre of the outermost voxels its value holds.

    Args:
        first: the first position, which may lie before the axis.
        count: how many.
        size: how many positions the whole axis has.
        stored: how many voxels it is made of.

    Returns:
        The voxels that are needed, and how the positions are made of them; those beyond the axis are zeros.
    """
    inside = np.arange(max(first, 0), min(first + count, size))
    place = np.clip((inside + 0.5) * (stored / size) - 0.5, 0, stored - 1)
    lower = np.minimum(np.floor(place).astype(np.int64), stored - 1)
    begin, end = int(lower[0]), min(int(lower[-1]) + 2, stored)
    weight = (place - lower).astype(np.float32)
    if not weight[-1]:
        end = int(lower[-1]) + 1
    before = max(-first, 0)
    return slice(begin, end), Line(lower - begin, weight, before, count - before - len(inside))
