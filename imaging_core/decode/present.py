"""How a volume is shown to a model: by slices, one model input for each, or by patches."""

from collections.abc import Iterator

import numpy as np

from imaging_core.decode.case import Case, Limits, ModelInput, Place, Planes
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
    if view.patches is not None:
        return cut(volume, channels, view, view.patches, limits)
    grid = grid_of(volume.affine, view.orientation)
    seen = grid.seen(volume.voxels)
    slices, rows, columns = seen.shape[:3]

    def inputs() -> Iterator[ModelInput]:
        for number, pixels in enumerate(seen):
            shown = as_channels(Planes(np.ascontiguousarray(pixels), volume.colour), channels)
            yield ModelInput(shown, Place((number, 0, 0), (1, rows, columns)))

    return Case(volume.size, slices, inputs(), grid)
