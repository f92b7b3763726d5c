"""Synthetic CT series of kidneys and their lesions: a folder of DICOM slices and a NIfTI label for each patient.

No patient was ever in a scanner for these: ellipsoids in Hounsfield units, and noise. They prove the path from series
to metrics, not a model.
"""

import gzip
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from examples.dataset_file import write_dataset

CLASSES = ("background", "kidney", "lesion")
"""What labels hold: 0, 1, 2."""

SPLIT = {"training": range(8), "validation": range(8, 11), "test": range(11, 16)}

SIZES = ((18, 64, 64), (24, 72, 72), (20, 80, 80))
"""Slices, rows and columns; a scanner has the first, the next one the second, …"""

FIELD = np.array([120.0, 320.0, 320.0])
"""Millimetres to superior, posterior and left that every series covers."""

INTERCEPT = -1024
"""Hounsfield units of a stored 0."""

AIR, FAT, TISSUE, BONE, KIDNEY, LESION = -1000.0, -90.0, 40.0, 500.0, 170.0, 100.0
"""Hounsfield units, with contrast medium."""

Values = NDArray[np.float64]


def write_patients(folder: Path) -> Path:
    """Write series (.dcm), labels (.nii.gz) and ``kidney.yml``; returns its path. The same bytes every time.

    Slices are numbered from the head down in every other series, from the feet up in the others, as scanners do.
    """
    images = []
    for number in range(sum(map(len, SPLIT.values()))):
        values, label = make_patient(np.random.default_rng(number), SIZES[number % len(SIZES)])
        name = f"patient_{number:03d}"
        slices = [f"{name}/CT/{1 + place:04d}.dcm" for place in range(len(values))]
        order = range(len(values)) if number % 2 else reversed(range(len(values)))
        for location, place in zip(slices, order, strict=True):
            _write_slice(folder / location, values, place, number)
        _write_label(folder / f"{name}/label.nii.gz", label)
        images.append({"location": slices, "label": f"{name}/label.nii.gz", "values": [len(values)]})
    path = folder / "kidney.yml"
    write_dataset(
        path,
        name="Synthetic kidneys",
        description="Ellipsoids in Hounsfield units, CT series with labels: proves the path, not a model",
        images=images,
        split=SPLIT,
        features=["number_of_slices"],
    )
    return path


def make_patient(random: np.random.Generator, size: tuple[int, int, int]) -> tuple[Values, NDArray[np.uint8]]:
    """Hounsfield units and class indices, both superior x posterior x left."""
    places = [(np.arange(side) + 0.5) * (length / side) - length / 2 for side, length in zip(size, FIELD, strict=True)]
    z, y, x = np.meshgrid(*places, indexing="ij")

    def inside(centre: tuple[float, float, float], radii: tuple[float, float, float]) -> NDArray[np.bool_]:
        parts = [((p - c) / r) ** 2 for p, c, r in zip((z, y, x), centre, radii, strict=True)]
        return np.asarray(parts[0] + parts[1] + parts[2] <= 1)

    values, label = np.full(size, AIR), np.zeros(size, np.uint8)
    values[inside((0, 0, 0), (1e3, 105, 145))] = FAT
    values[inside((0, 0, 0), (1e3, 90, 128))] = TISSUE
    values[inside((0, 62, 0), (1e3, 22, 20))] = BONE
    for side in (-1, 1):
        centre = random.normal((0, 25, side * 68), 5)
        radii = random.normal((44, 26, 22), 2)
        kidney = inside(tuple(centre), tuple(radii))
        values[kidney], label[kidney] = KIDNEY, 1
        for _ in range(random.integers(1, 3)):
            place = centre + radii * (random.uniform(-0.5, 0.5), random.uniform(-0.5, 0.5), random.uniform(-0.6, 0.6))
            lesion = inside(tuple(place), tuple(random.uniform(13, 21, 3)))
            values[lesion], label[lesion] = LESION, 2
    return values + random.normal(0, 12, size), label


def _write_slice(path: Path, values: Values, place: int, patient: int) -> None:
    step = FIELD / values.shape
    first = (step - FIELD) / 2
    dataset = Dataset()
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["synthetic kidneys", str(patient), path.name])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["synthetic kidneys", str(patient)])
    dataset.Modality = "CT"
    dataset.InstanceNumber = int(path.stem)
    dataset.ImagePositionPatient = [float(first[2]), float(first[1]), float(first[0] + place * step[0])]
    dataset.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    dataset.PixelSpacing = [float(step[1]), float(step[2])]
    dataset.Rows, dataset.Columns = values.shape[1:]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = INTERCEPT, 1, "HU"
    stored = np.clip(np.rint(values[place] - INTERCEPT), 0, 4095).astype("<u2")
    dataset.add_new("PixelData", "OW", stored.tobytes())
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


def _write_label(path: Path, label: NDArray[np.uint8]) -> None:
    """As converters from DICOM lay it out: columns to the patient's left, rows to anterior, slices to superior."""
    step = (FIELD / label.shape)[::-1]
    first = (step - FIELD[::-1]) / 2
    stored = label.transpose(2, 1, 0)[:, ::-1]
    affine = nibabel.affines.from_matvec(np.diag(step * (-1, 1, 1)), first * (-1, 1, 1))
    data: bytes = nibabel.Nifti1Image(stored, affine).to_bytes()
    path.write_bytes(gzip.compress(data, mtime=0))
