"""Segments of a volume of another format (NIfTI): its voxels cut into the slices that a DICOM segmentation could be of.

Such an image knows no instances, so only where frames lie says which slice they are about. Programs that make NIfTI of
DICOM mirror rows and reorder slices, so the slices here are those along the frames' normal, laid out as the frames are.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from imaging_core.decode.case import CaseError
from imaging_core.decode.dicom_series import RAS, Plane
from imaging_core.decode.dicom_slices import Slice
from imaging_core.decode.segments import Segments, lay
from imaging_core.decode.volume import Affine, grid_along, turned


def lay_on_volume(
    segments: Segments,
    kind: Literal["binary", "multiclass", "multilabel"],
    classes: Sequence[str],
    affine: Affine,
    size: tuple[int, int, int],
) -> NDArray[Any]:
    """The ground truth on the voxels of a volume.

    Args:
        segments: the segmentation.
        kind: what the model's output is.
        classes: the model's; may be empty for a binary one.
        affine: where the volume's voxels lie.
        size: of the volume, slices, rows, columns.

    Returns:
        As :func:`imaging_core.decode.mask.decode_mask`.

    Raises:
        CaseError: as of :func:`imaging_core.decode.segments.lay`; mask_size where the frames do not say where they lie,
            or lie across the volume's voxels.
    """
    first = next((frame.plane for frame in segments.frames if frame.plane is not None), None)
    if first is None or any(frame.plane is None for frame in segments.frames):
        raise CaseError(
            "mask_size",
            "frames of the DICOM segmentation do not say where they lie (ImagePositionPatient, …), and an image that "
            "is not DICOM has no slices to refer to; write them into the file, or give the image as DICOM",
        )
    grid = grid_along(affine, _affine(first))
    laid_out = grid.seen_size(size)
    if segments.size != laid_out[1:]:
        rows, columns = segments.size
        raise CaseError(
            "mask_size",
            f"the mask has frames of {rows} x {columns} pixels, the image's slices along them "
            f"{laid_out[1]} x {laid_out[2]}",
        )
    unreferring = replace(segments, frames=[replace(frame, references=frozenset()) for frame in segments.frames])
    truth = lay(unreferring, kind, classes, _slices(turned(affine, grid, size), laid_out[0]), laid_out)
    spatial = truth.ndim - 3
    upright = np.flip(truth, tuple(spatial + axis for axis, flipped in enumerate(grid.flipped) if flipped))
    axes = (*range(spatial), *(spatial + grid.axes.index(axis) for axis in range(3)))
    return np.ascontiguousarray(upright.transpose(axes))


def _affine(plane: Plane) -> Affine:
    """Of slices of 1 mm, from slice, row and column."""
    affine = np.eye(4)
    affine[:3, 0] = plane.normal * RAS
    affine[:3, 1] = plane.along_column * plane.spacing[0] * RAS
    affine[:3, 2] = plane.along_row * plane.spacing[1] * RAS
    return affine


def _slices(affine: Affine, count: int) -> list[Slice]:
    rows, columns = (affine[:3, axis] * RAS for axis in (1, 2))
    between = float(np.linalg.norm(rows)), float(np.linalg.norm(columns))
    slices = []
    for number in range(count):
        position = (affine[:3, 3] + number * affine[:3, 0]) * RAS
        slices.append(Slice(0, "", number + 1, Plane(position, columns / between[1], rows / between[0], between)))
    return slices
