"""DICOM segmentations as ground truth: binary, fractional and label maps (PS3.3 A.51 and C.8.20, A.51.6 for the last).

Fractional segments are true from half of their Maximum Fractional Value on, whether it stands for a probability or for
how much of a pixel is occupied.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.uid import UID, SegmentationStorage

from imaging_core.decode.case import CaseError
from imaging_core.decode.dicom_file import DicomFile, class_of, whole
from imaging_core.decode.dicom_frames import stored_frames
from imaging_core.decode.dicom_groups import group_of
from imaging_core.decode.dicom_series import plane_of
from imaging_core.decode.segments import SegmentFrame, Segments

_LABEL_MAP = UID("1.2.840.10008.5.1.4.1.1.66.7")
"""Label Map Segmentation Storage, which pydicom does not know yet."""

_MOST_SEGMENTS = 65535


def is_segmentation(elements: pydicom.Dataset) -> bool:
    """Whether a file holds segments, and no image."""
    return class_of(elements) in (SegmentationStorage, _LABEL_MAP)


def segments_of(file: DicomFile) -> Segments:
    """The segments of a file of which :func:`is_segmentation` is true.

    Raises:
        CaseError: unsupported or unreadable.
        Exception: anything at all on damaged data.
    """
    elements, layout = file.elements, file.layout
    is_map = class_of(elements) == _LABEL_MAP
    if layout.samples != 1 or layout.signed or file.pixels != "PixelData":
        raise CaseError("unsupported", "a DICOM segmentation whose pixels are no segments")
    names = {
        whole(item, "SegmentNumber", 0, _MOST_SEGMENTS): _names(item) for item in elements.get("SegmentSequence") or []
    }
    names.pop(0, None)  # of a label map, what is no segment
    if not names:
        raise CaseError("unreadable", "the DICOM segmentation describes no segment")
    if len(elements.get("PerFrameFunctionalGroupsSequence") or []) < layout.frames:
        raise CaseError("unreadable", "the DICOM segmentation does not say of each frame what it shows")
    frames = []
    for number in range(layout.frames):
        group = group_of(elements, number, "SegmentIdentificationSequence")
        segment = None if is_map else whole(group, "ReferencedSegmentNumber", 1, _MOST_SEGMENTS)
        frames.append(SegmentFrame(segment, _references(elements, number), plane_of(elements, number, layout.frames)))
    return Segments(names, (layout.rows, layout.columns), frames, lambda: _pixels(file, is_map), _about(elements))


def _names(segment: pydicom.Dataset) -> Sequence[str]:
    kinds = segment.get("SegmentedPropertyTypeCodeSequence") or []
    found = (segment.get("SegmentLabel"), *(kind.get("CodeMeaning") for kind in kinds))
    return [str(name) for name in found if name]


def _references(elements: pydicom.Dataset, frame: int) -> frozenset[tuple[str, int | None]]:
    found: set[tuple[str, int | None]] = set()
    derived = group_of(elements, frame, "DerivationImageSequence")
    for source in derived.get("SourceImageSequence") or []:
        instance, numbers = str(source.get("ReferencedSOPInstanceUID", "")), source.get("ReferencedFrameNumber")
        if numbers is None or numbers == "":
            found.add((instance, None))
        else:
            several = numbers if isinstance(numbers, pydicom.multival.MultiValue | list) else [numbers]
            found |= {(instance, int(number)) for number in several}
    return frozenset(found)


def _about(elements: pydicom.Dataset) -> frozenset[str]:
    instances = (
        item.get("ReferencedSOPInstanceUID")
        for series in elements.get("ReferencedSeriesSequence") or []
        for item in series.get("ReferencedInstanceSequence") or []
    )
    return frozenset(str(instance) for instance in instances if instance)


def _pixels(file: DicomFile, is_map: bool) -> Iterator[NDArray[Any]]:
    fractional = file.elements.get("SegmentationType") == "FRACTIONAL"
    most = whole(file.elements, "MaximumFractionalValue", 1, 255) if fractional else 1
    for stored in stored_frames(file):
        plane = stored[..., 0]
        if is_map:
            yield plane
        else:
            yield (plane.astype(np.uint16) * 2 >= most) if fractional else plane.astype(np.bool_)
