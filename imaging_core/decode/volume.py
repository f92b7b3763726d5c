"""A Volume: what decoders of three-dimensional formats give, where its voxels lie, and how models look at it.

A decoder gives voxels and affine as the file has them, and turns nothing: what a model sees of a volume is made in
:mod:`imaging_core.decode.present`, masks are scored and written on the file's own voxels.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging_core.decode.intensity import AS_THEY_ARE, Intensity
from imaging_core.decode.slide import Tiles

Affine = NDArray[np.float64]
"""4 x 4: from (slice, row, column, 1) to (x, y, z, 1) in mm, x to the patient's right, y to anterior, z to superior
(RAS, as NIfTI has it; of DICOM's patient coordinates x and y are negated)."""

Direction = tuple[int, int]

DIRECTIONS: dict[str, Direction] = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
"""Letter of an orientation to the axis of the patient and the direction along it."""

FLAT = 1e-4
"""The volume of a voxel by that of an upright one with the same sides, below which its affine is taken for flat."""

SAME_PLACE = 0.1
"""Two grids are the same when no corner lies farther apart than this part of a voxel's shortest side; files round."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A decoded volume.

    Attributes:
        voxels: slices x rows x columns x channels in the file's own order and type (native byte order), with rescaling
            applied where the file has one; of a mask, the values as stored. May be read-only.
        affine: where they lie, finite and invertible (:func:`is_regular`); None where the file does not say.
        colour: the first three channels are red, green and blue.
    """

    voxels: NDArray[Any]
    affine: Affine | None
    colour: bool = False

    @property
    def size(self) -> tuple[int, int, int]:
        """Slices, rows and columns."""
        slices, rows, columns = self.voxels.shape[:3]
        return slices, rows, columns


@dataclass(frozen=True, slots=True)
class Patches:
    """The patches that a three-dimensional model sees.

    Attributes:
        size: slices, rows and columns.
        overlap: of neighbours along each side, in [0, 1).
        spacing: from one voxel's centre to the next in mm, along slices, rows and columns; None takes the volume's.
    """

    size: tuple[int, int, int]
    overlap: float
    spacing: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class View:
    """How a model looks at volumes and slides; part of its card.

    Attributes:
        orientation: three letters of R, L, A, P, S, I: where columns, rows and slices ascend to, as nibabel and MONAI
            say it. RAS and LPS are axial slices, RSA coronal, ASR sagittal ones.
        patches: of a model that sees patches; None of one that sees slices.
        intensity: what becomes of the intensities, of images, too.
        tiles: of a model that sees slides; None of one to which a slide is an image like others.
    """

    orientation: str = "RAS"
    patches: Patches | None = None
    intensity: Intensity = AS_THEY_ARE
    tiles: Tiles | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """How what the model sees of a volume lies on the volume's own voxels.

    Attributes:
        affine: the volume's.
        axes: for the slices, rows and columns that the model sees, which axis of the volume's voxels it is.
        flipped: for the same, whether it runs against that axis.
        sampled: the size at which patches are put together, in the axes that the model sees; None of slices.
    """

    affine: Affine | None
    axes: tuple[int, int, int] = (0, 1, 2)
    flipped: tuple[bool, bool, bool] = (False, False, False)
    sampled: tuple[int, int, int] | None = None

    def seen_size(self, size: tuple[int, ...]) -> tuple[int, int, int]:
        """Slices, rows and columns of a volume of this size, as the model's orientation has them."""
        slices, rows, columns = (size[axis] for axis in self.axes)
        return slices, rows, columns

    def seen(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """Three spatial axes (and any others after them) as the model sees them; a view of the same memory."""
        turned = voxels.transpose(*self.axes, *range(3, voxels.ndim))
        return turned[tuple(slice(None, None, -1 if flip else 1) for flip in self.flipped)]


def is_regular(affine: Affine) -> bool:
    """Whether an affine is finite and gives every voxel a volume, so that directions and spacing can be told."""
    if not np.isfinite(affine).all():
        return False
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(steps).all() or steps.min() <= 0:
        return False
    if abs(np.linalg.det(affine[:3, :3] / steps)) <= FLAT:
        return False
    return not np.isnan(_orientation(affine)).any()


def spacing(affine: Affine) -> tuple[float, float, float]:
    """From one voxel's centre to the next in mm, along slices, rows and columns."""
    slices, rows, columns = np.linalg.norm(affine[:3, :3], axis=0).tolist()
    return slices, rows, columns


def grid_of(affine: Affine | None, orientation: str) -> Grid:
    """How a volume with this affine is turned and mirrored into an orientation: oblique slices to their nearest axis.

    Without an affine, voxels are seen as they are stored.
    """
    if affine is None:
        return Grid(None)
    return Grid(affine, *_turn(_directions(affine), [DIRECTIONS[letter] for letter in reversed(orientation)]))


def laid_like(volume: Volume, affine: Affine) -> Volume:
    """The same volume with its voxels turned and mirrored into the orientation of another affine."""
    if volume.affine is None:
        return volume
    grid = Grid(volume.affine, *_turn(_directions(volume.affine), _directions(affine)))
    return Volume(grid.seen(volume.voxels), turned(volume.affine, grid, volume.size), volume.colour)


def turned(affine: Affine, grid: Grid, size: tuple[int, ...]) -> Affine:
    """Where the voxels of a volume of this affine and size lie as ``grid`` turns them."""
    other = affine[:, [*grid.axes, 3]].copy()
    for axis, flip in enumerate(grid.flipped):
        if flip:  # begin at the other end
            other[:3, 3] += other[:3, axis] * (size[grid.axes[axis]] - 1)
            other[:3, axis] *= -1
    return other


def grid_along(affine: Affine, other: Affine) -> Grid:
    """How a volume with this affine is turned and mirrored to lie along the slices, rows and columns of another."""
    towards = _orientation(np.linalg.inv(affine) @ other)
    axes, flipped = towards[:, 0].astype(int).tolist(), (towards[:, 1] < 0).tolist()
    return Grid(affine, (axes[0], axes[1], axes[2]), (flipped[0], flipped[1], flipped[2]))


def misplaced(one: Affine, other: Affine, size: tuple[int, ...]) -> float | None:
    """How far two grids of one size are apart in mm; None when they are the same (:data:`SAME_PLACE`)."""
    apart = farthest_apart(one, other, size)
    return apart if apart > SAME_PLACE * min(spacing(other)) else None


def farthest_apart(one: Affine, other: Affine, size: tuple[int, ...]) -> float:
    """The largest distance in mm between the same corners of two grids of one size."""
    corners = np.array([[*corner, 1] for corner in np.ndindex(2, 2, 2)], dtype=np.float64)
    corners[:, :3] *= np.array(size) - 1
    return float(np.linalg.norm(corners @ (one - other)[:3].T, axis=1).max())


def _directions(affine: Affine) -> list[Direction]:
    """For slices, rows and columns the nearest axis of the patient, each once, and the direction along it."""
    return [(int(world), int(sign)) for world, sign in _orientation(affine)]


def _orientation(affine: Affine) -> NDArray[np.float64]:
    from nibabel.orientations import io_orientation  # half a second that runs without volumes save

    return np.asarray(io_orientation(affine), dtype=np.float64)


def _turn(stored: list[Direction], wanted: list[Direction]) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """Which stored axes lie along the wanted ones, and which run against them."""
    slices, rows, columns = ([world for world, _ in stored].index(world) for world, _ in wanted)
    axes = (slices, rows, columns)
    flipped = [stored[axis][1] != sign for axis, (_, sign) in zip(axes, wanted, strict=True)]
    return axes, (flipped[0], flipped[1], flipped[2])
