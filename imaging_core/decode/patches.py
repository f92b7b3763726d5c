"""How a volume is cut into overlapping patches at a model's spacing, as MONAI's sliding window does.

The volume is turned into the model's orientation and, where the card says a spacing, resampled to it linearly: each
side becomes its length divided by the spacing, rounded, at least one voxel. Patches begin every
``int(side * (1 - overlap))`` voxels, the last one at the end. Where the volume is shorter than a patch, what the model
sees is continued by zeros on both sides. Nothing is resampled here: each patch brings the voxels that it is made of,
and how (:mod:`imaging_core.decode.sampling`), so that the device does it and no second volume is held.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from imaging_core.decode.case import Case, CaseError, Limits, ModelInput, Place, Planes
from imaging_core.decode.intensity import Scale, scaled
from imaging_core.decode.raster import as_channels, check_size
from imaging_core.decode.sampling import line
from imaging_core.decode.volume import Patches, View, Volume, grid_of, spacing


def cut(volume: Volume, channels: int, view: View, patches: Patches, limits: Limits, by: Sequence[Scale] = ()) -> Case:
    """The patches of a volume, slices before rows before columns.

    Args:
        volume: as its decoder gives it.
        channels: what the model wants.
        view: the model's.
        patches: the same.
        limits: hold for the resampled volume, too.
        by: what is done to the intensities of each channel.

    Raises:
        CaseError: unsupported when the model wants a spacing and the volume says none, too_large. While the inputs are
            made: the channels do not fit the model, or a value is not finite.
    """
    grid = grid_of(volume.affine, view.orientation)
    stored = grid.seen_size(volume.size)
    sampled = stored
    if patches.spacing is not None:
        if volume.affine is None:
            raise CaseError("unsupported", "the model wants a spacing, and the volume does not say its own")
        own = spacing(volume.affine)
        lengths = [side * own[axis] for side, axis in zip(stored, grid.axes, strict=True)]
        depth, height, width = (
            max(1, round(min(length / step, 1e9))) for length, step in zip(lengths, patches.spacing, strict=True)
        )
        check_size(height, width, depth * channels, limits)
        sampled = (depth, height, width)
    seen = grid.seen(volume.voxels)
    begins = [starts(side, patch, patches.overlap) for side, patch in zip(sampled, patches.size, strict=True)]

    def inputs() -> Iterator[ModelInput]:
        for offset in itertools.product(*begins):
            cuts = [line(*each) for each in zip(offset, patches.size, sampled, stored, strict=True)]
            voxels = seen[tuple(needed for needed, _ in cuts)]
            depth, height, width, planes = voxels.shape
            flat = np.ascontiguousarray(voxels).reshape(depth * height, width, planes)
            shown = scaled(as_channels(Planes(flat, volume.colour), channels, limits), by)
            pixels = shown.reshape(depth, height, width, channels)
            along, down, across = (each for _, each in cuts)
            sampling = None if along.plain and down.plain and across.plain else (along, down, across)
            yield ModelInput(pixels, Place(offset, patches.size), sampling)

    count = int(np.prod([len(each) for each in begins]))
    return Case(volume.size, count, inputs(), replace(grid, sampled=sampled))


def starts(side: int, patch: int, overlap: float) -> list[int]:
    """Where patches begin along one side; before 0 when the side is shorter than a patch, so that it is centred."""
    if side <= patch:
        return [-((patch - side) // 2)]
    step = max(1, int(patch * (1 - overlap)))
    return [min(start, side - patch) for start in range(0, side - patch + step, step)]
