"""Synthetic FLAIR volumes with bright lesions around the ventricles, as a dataset laid out like MSSEG 2016's.

No patient was ever in a scanner for these: ellipsoids, blurred noise and spots. They prove the path from volumes to
metrics, not a model.
"""

from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

from examples.dataset_file import write_dataset

CENTRES = (("RAS", (56, 64, 24), np.float32), ("LPS", (48, 60, 30), np.float32), ("PSR", (60, 72, 20), np.uint16))
"""What scanners differ in: orientation of the file, voxels (to the right, anterior, superior), type."""

FIELD = np.array([180.0, 220.0, 150.0])
"""Millimetres to the right, anterior, superior that every volume covers."""

SPLIT = {"training": range(9), "validation": range(9, 12), "test": range(12, 18)}

Voxels = NDArray[np.float64]


def write_volumes(folder: Path) -> Path:
    """Write volumes (.nii), masks of their lesions (1 and 0) and ``ms.yml``; returns its path.

    The same bytes every time.
    """
    images = []
    for number in range(sum(map(len, SPLIT.values()))):
        orientation, size, dtype = CENTRES[number % len(CENTRES)]
        values, lesions = make_head(np.random.default_rng(number), size)
        subject = f"{number:05d}SYNT"
        location = f"Pre-processed training dataset/{subject}/FLAIR_preprocessed.nii"
        label = f"Unprocessed training dataset/TrainingDataset_MSSEG/{subject}/Consensus.nii"
        _write(folder / location, values.astype(dtype), orientation)
        _write(folder / label, lesions.astype(np.uint8), orientation)
        images.append({"location": location, "label": label, "values": f"[{size[2]}]"})
    path = folder / "ms.yml"
    write_dataset(
        path,
        name="Synthetic multiple sclerosis",
        description="Ellipsoids and spots in the layout of MSSEG 2016: proves the path, not a model",
        images=images,
        split={name: list(part) for name, part in SPLIT.items()},
        features=["number_of_slices"],
    )
    return path


def make_head(random: np.random.Generator, size: tuple[int, int, int]) -> tuple[Voxels, NDArray[np.bool_]]:
    """Values from 0 to about 1000 and the lesions, both right x anterior x superior."""
    places = [(np.arange(side) + 0.5) * (length / side) - length / 2 for side, length in zip(size, FIELD, strict=True)]
    x, y, z = np.meshgrid(*places, indexing="ij")

    def ellipsoid(centre: Voxels, radii: Voxels) -> Voxels:
        """1 at its surface, less inside."""
        return np.asarray(np.sqrt(sum(((p - c) / r) ** 2 for p, c, r in zip((x, y, z), centre, radii, strict=True))))

    middle, brain = np.zeros(3), np.array([62.0, 80.0, 55.0])
    values = np.where(ellipsoid(middle, brain * 1.15) <= 1, 250.0, 0.0)
    values[ellipsoid(middle, brain) <= 1] = 480
    for side in (-1, 1):
        values[ellipsoid(np.array([side * 14.0, 0, 8]), np.array([7.0, 26.0, 12.0])) <= 1] = 120
    lesions = np.zeros(size, dtype=np.bool_)
    for _ in range(random.integers(5, 12)):
        side, angle = random.choice([-1, 1]), random.uniform(0, 2 * np.pi)
        centre = np.array([side * random.uniform(24, 36), 34 * np.cos(angle), 8 + 20 * np.sin(angle)])
        lesions |= ellipsoid(centre, random.uniform(7, 14, 3)) <= 1
    values[lesions] = 850
    return np.clip(np.rint(values + random.normal(0, 30, size) * (values > 0)), 0, None), lesions


def _write(path: Path, values: NDArray[np.generic], orientation: str) -> None:
    """A NIfTI file in an orientation, its origin in the middle."""
    spacing = FIELD / values.shape
    affine = nibabel.affines.from_matvec(np.diag(spacing), (spacing - FIELD) / 2)
    image = nibabel.Nifti1Image(values, affine)
    ornt = nibabel.orientations
    turned = image.as_reoriented(ornt.ornt_transform(ornt.io_orientation(affine), ornt.axcodes2ornt(orientation)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(turned.to_bytes())
