"""How a case is shown to a model: a volume by slices, one model input for each, or by patches; its intensities."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from imaging_core.decode.case import Case, CaseError, Limits, ModelInput, Place, Planes
from imaging_core.decode.intensity import Intensity, Scale, scaled, scales
from imaging_core.decode.patches import cut
from imaging_core.decode.raster import as_channels
from imaging_core.decode.volume import View, Volume, grid_of


def present(volume: Volume, channels: int, view: View, limits: Limits) -> Case:
    """The patches of a volume as the model looks at it, or its slices, in ascending order.

    Args:
        volume: as its decoder gives it.
        channels: what the model wants: 1 grey, 3 RGB, another number so many channels of the volume.
        view: the model's.
        limits: what the case may cost.

    Raises:
        CaseError: as of :func:`imaging_core.decode.patches.cut`; while the inputs are made: the channels do not fit the
            model, or a value is not finite.
    """
    by = _scales(volume, channels, view.intensity, limits)
    if view.patches is not None:
        return cut(volume, channels, view, view.patches, limits, by)
    grid = grid_of(volume.affine, view.orientation)
    seen = grid.seen(volume.voxels)
    slices, rows, columns = seen.shape[:3]

    def inputs() -> Iterator[ModelInput]:
        for number, pixels in enumerate(seen):
            shown = scaled(as_channels(Planes(np.ascontiguousarray(pixels), volume.colour), channels, limits), by)
            yield ModelInput(shown, Place((number, 0, 0), (1, rows, columns)))

    return Case(volume.size, slices, inputs(), grid)


def normalized(case: Case, intensity: Intensity) -> Case:
    """An image with its intensities as the model wants them.

    Raises:
        CaseError: unsupported where a case comes in pieces of which none is all of it.
    """
    if intensity.normalization == "none":
        return case
    if case.count != 1:
        raise CaseError("unsupported", f"normalization {intensity.normalization} is for images and volumes, not tiles")

    def inputs() -> Iterator[ModelInput]:
        for each in case.inputs:
            yield replace(each, pixels=scaled(each.pixels, scales([each.pixels], intensity)))

    return replace(case, inputs=inputs())


def _scales(volume: Volume, channels: int, intensity: Intensity, limits: Limits) -> list[Scale]:
    """Of each channel that the model sees, by all voxels; none where they are seen as they are."""
    if intensity.normalization == "none":
        return []
    slices = [as_channels(Planes(each, volume.colour), channels, limits) for each in volume.voxels]
    return scales(slices, intensity)
