"""Where DICOM frames lie: frames of one or many files put into one volume, in the order of their positions.

Positions and orientations are the Image Plane's (PS3.3 C.7.6.2); of enhanced multi-frame objects each frame has its
own. Frames are sorted along the normal of their planes; neither file names nor Instance Numbers say where one lies.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pydicom
from numpy.typing import NDArray

from imaging_core.decode.case import CaseError
from imaging_core.decode.dicom_groups import group_of, numbers
from imaging_core.decode.volume import Affine

_PARALLEL = 1e-3
"""Direction cosines of one volume differ by no more than this; writers round them."""

_UNEVEN = 0.1
"""A slice lies no farther from its regular place than this part of the step between slices; writers round positions."""

RAS = np.array([-1.0, -1.0, 1.0])
"""From DICOM's patient coordinates (left, posterior, superior) to right, anterior, superior."""


@dataclass(frozen=True, slots=True)
class Plane:
    """Where a frame lies, in DICOM's patient coordinates.

    Attributes:
        position: x, y, z in mm of the first pixel's centre.
        along_row: unit vector in which columns ascend.
        along_column: unit vector in which rows ascend.
        spacing: mm between rows, mm between columns.
    """

    position: NDArray[np.float64]
    along_row: NDArray[np.float64]
    along_column: NDArray[np.float64]
    spacing: tuple[float, float]

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector; with rows and columns it makes a right-handed system."""
        return np.cross(self.along_row, self.along_column)


def plane_of(elements: pydicom.Dataset, frame: int, frames: int) -> Plane | None:
    """Where one of so many frames lies; None when the file does not say.

    Raises:
        CaseError: unreadable when what it says is no plane.
    """
    position = numbers(group_of(elements, frame, "PlanePositionSequence"), "ImagePositionPatient", 3)
    cosines = numbers(group_of(elements, frame, "PlaneOrientationSequence"), "ImageOrientationPatient", 6)
    spacing = numbers(group_of(elements, frame, "PixelMeasuresSequence"), "PixelSpacing", 2)
    if position is None or cosines is None or spacing is None:
        return None
    along_row, along_column = np.array(cosines[:3]), np.array(cosines[3:])
    lengths = np.linalg.norm(along_row), np.linalg.norm(along_column)
    if abs(lengths[0] - 1) > 0.01 or abs(lengths[1] - 1) > 0.01 or abs(along_row @ along_column) > 0.01:
        raise CaseError(
            "unreadable", "the DICOM header's ImageOrientationPatient is no pair of perpendicular unit vectors"
        )
    if min(spacing) <= 0:
        raise CaseError("unreadable", "the DICOM header's PixelSpacing is not positive")
    plane = Plane(np.array(position), along_row, along_column, (spacing[0], spacing[1]))
    offsets = elements.get("GridFrameOffsetVector")
    if offsets and frames > 1 and "PerFrameFunctionalGroupsSequence" not in elements:
        offsets = numbers(elements, "GridFrameOffsetVector", frames) or []
        shift = plane.normal * (offsets[frame] - offsets[0])
        return Plane(plane.position + shift, along_row, along_column, plane.spacing)
    if frames > 1 and "PerFrameFunctionalGroupsSequence" not in elements:
        return None  # one position for many frames: of a film, say
    return plane


def order_of(planes: Sequence[Plane | None], *, one_file: bool) -> tuple[list[int], Affine | None]:
    """As :func:`in_order`; frames of one file that says nothing of where they lie stay in their order, without affine.

    Raises:
        CaseError: as of :func:`in_order`; unsupported where several files, or some frames, do not say where they lie.
    """
    known = [plane for plane in planes if plane is not None]
    if len(planes) == 1 or (not known and one_file):
        return list(range(len(planes))), None
    if len(known) < len(planes):
        raise CaseError("unsupported", "the DICOM files do not say where their slices lie (ImagePositionPatient, …)")
    return in_order(known)


def in_order(planes: Sequence[Plane]) -> tuple[list[int], Affine]:
    """Which frame comes first, second, … in a volume, and where its voxels lie.

    Args:
        planes: where each frame lies, at least two.

    Returns:
        The numbers of the frames, ascending along the normal; the volume's affine, from slice, row and column.

    Raises:
        CaseError: unsupported where they make no regular volume: planes that are not parallel, different spacing, two
            at one place, a gap, uneven steps.
    """
    first = planes[0]
    _check_parallel(planes)
    heights = np.array([plane.position @ first.normal for plane in planes])
    order = np.argsort(heights, kind="stable")
    steps = np.diff(heights[order])
    _check_steps(steps)
    positions = np.array([planes[number].position for number in order])
    step = (positions[-1] - positions[0]) / (len(positions) - 1)
    astray = np.linalg.norm(positions - positions[0] - np.arange(len(positions))[:, None] * step, axis=1).max()
    if astray > _UNEVEN * np.linalg.norm(step):
        raise CaseError(
            "unsupported", f"the slices do not lie evenly on one line: one is {astray:.3g} mm beside its place"
        )
    affine = np.eye(4)
    affine[:3, 0] = step * RAS
    affine[:3, 1] = first.along_column * first.spacing[0] * RAS
    affine[:3, 2] = first.along_row * first.spacing[1] * RAS
    affine[:3, 3] = positions[0] * RAS
    return order.tolist(), affine


def _check_parallel(planes: Sequence[Plane]) -> None:
    first = planes[0]
    for plane in planes[1:]:
        turned = max(
            float(np.abs(plane.along_row - first.along_row).max()),
            float(np.abs(plane.along_column - first.along_column).max()),
        )
        if turned > _PARALLEL:
            raise CaseError("unsupported", "the slices have different orientations (is a localizer among them?)")
        if not np.allclose(plane.spacing, first.spacing, rtol=_PARALLEL, atol=0):
            raise CaseError("unsupported", "the slices have different pixel spacings")


def _check_steps(steps: NDArray[np.float64]) -> None:
    """Refuse slices at one place and gaps, by the steps between slices in mm."""
    usual = float(np.quantile(steps, 0.5, method="lower"))
    if (steps <= _UNEVEN * usual).any() or usual <= 0:
        count = int((steps <= max(_UNEVEN * usual, 0)).sum())
        raise CaseError(
            "unsupported",
            f"{count + 1} slices share a place with another one: a file listed twice, or phases of a film?",
        )
    if (gaps := steps[steps > (1 + _UNEVEN) * usual]).size:
        raise CaseError(
            "unsupported", f"slices are missing or uneven: a step of {gaps.max():.3g} mm among steps of {usual:.3g} mm"
        )
