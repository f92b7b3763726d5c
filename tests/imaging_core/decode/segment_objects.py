"""DICOM segmentations made for tests, by highdicom, and the elements of a study that it wants of their images."""

from collections.abc import Sequence
from typing import Any

import highdicom
import numpy as np
from highdicom.seg import Segmentation, SegmentDescription
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

STUDY = {
    **dict.fromkeys(("PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate", "StudyTime"), ""),
    "Modality": "CT",
    "SliceThickness": 2.5,
}


def study() -> dict[str, Any]:
    """Elements that the images of one study in one frame of reference share."""
    return {**STUDY, "StudyInstanceUID": generate_uid(), "FrameOfReferenceUID": generate_uid()}


def segmentation(
    images: Sequence[Dataset],
    pixels: NDArray[Any],
    kind: str = "BINARY",
    labels: Sequence[str] = ("kidney ", "Tumour"),
    **options: Any,
) -> Segmentation:
    """Segments with these labels, numbered from 1: ``pixels`` as highdicom takes them."""
    algorithm = highdicom.AlgorithmIdentificationSequence("drawn", codes.DCM.ArtificialIntelligence, "1")
    described = [
        SegmentDescription(number, label, codes.SCT.Tissue, codes.SCT.Tissue, "AUTOMATIC", algorithm)
        for number, label in enumerate(labels, start=1)
    ]
    return Segmentation(
        images, pixels, kind, described, generate_uid(), 1, generate_uid(), 1, "maker", "model", "1", "1", **options
    )


def drawn(shape: tuple[int, ...], segments: int = 2) -> NDArray[np.uint8]:
    """Segment numbers, the first slice of several without any."""
    pixels = np.random.default_rng(11).integers(0, segments + 1, shape, np.uint8)
    if len(shape) == 3:
        pixels[0] = 0
    return pixels
