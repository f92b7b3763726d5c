"""What a DICOM header says about one frame: its own functional group, else the shared one, else the file as a whole."""

import math

import numpy as np
import pydicom

from imaging_core.decode.case import CaseError
from imaging_core.decode.dicom_file import DicomFile, Layout
from imaging_core.decode.dicom_grey import FUNCTIONS, Greys, Linear, Lut, Spread, Window
from imaging_core.decode.dicom_lut import grey_lut


def group_of(elements: pydicom.Dataset, frame: int, macro: str) -> pydicom.Dataset:
    """The elements of a functional group macro (the keyword of its sequence) that hold for a frame."""
    per_frame = elements.get("PerFrameFunctionalGroupsSequence") or []
    shared = elements.get("SharedFunctionalGroupsSequence") or []
    for item in (*per_frame[frame : frame + 1], *shared[:1]):
        found = item.get(macro)
        if found:
            first: pydicom.Dataset = found[0]
            return first
    return elements


def numbers(elements: pydicom.Dataset, keyword: str, count: int) -> list[float] | None:
    """The first ``count`` values of an element; None when it is absent or empty.

    Raises:
        CaseError: unreadable when they are fewer, or not finite.
    """
    value = elements.get(keyword)
    if value is None or value == "" or value == []:
        return None
    values = [float(each) for each in (value if isinstance(value, pydicom.multival.MultiValue | list) else [value])]
    if len(values) < count or not all(map(math.isfinite, values[:count])):
        raise CaseError("unreadable", f"the DICOM header's {keyword} is not {count} finite number{'s' * (count > 1)}")
    return values[:count]


def greys_of(file: DicomFile, frame: int) -> Greys:
    """The chain of one frame's grey values.

    Raises:
        CaseError: unreadable or unsupported where the header says what the standard does not allow.
    """
    modality = _modality(file, frame)
    return Greys(
        modality=modality,
        voi=_voi(file, frame, modality),
        inverted=file.layout.photometric == "MONOCHROME1",
        padding=_padding(file.elements, file.layout),
    )


def _modality(file: DicomFile, frame: int) -> Linear | Lut:
    group = group_of(file.elements, frame, "PixelValueTransformationSequence")
    if tables := group.get("ModalityLUTSequence"):
        return grey_lut(tables[0], little_endian=file.layout.little_endian, signed=file.layout.signed)
    slope = numbers(group, "RescaleSlope", 1) or numbers(file.elements, "DoseGridScaling", 1) or [1.0]
    intercept = numbers(group, "RescaleIntercept", 1) or [0.0]
    if not slope[0]:
        raise CaseError("unreadable", "the DICOM header's RescaleSlope is 0")
    return Linear(slope[0], intercept[0])


def _voi(file: DicomFile, frame: int, modality: Linear | Lut) -> Window | Lut | Spread | None:
    floats = file.pixels != "PixelData"
    low, high = (0.0, 0.0) if floats else _range(modality, file.layout)
    group = group_of(file.elements, frame, "FrameVOILUTSequence")
    if tables := group.get("VOILUTSequence"):
        return grey_lut(tables[0], little_endian=file.layout.little_endian, signed=low < 0)
    centre, width = numbers(group, "WindowCenter", 1), numbers(group, "WindowWidth", 1)
    if centre is None or width is None:
        return None if floats else Spread(low, high)
    function = str(group.get("VOILUTFunction") or "LINEAR").strip().upper()
    if function not in FUNCTIONS:
        raise CaseError("unsupported", f"the DICOM header's VOILUTFunction is none of {', '.join(FUNCTIONS)}")
    if width[0] <= 0 or (function == "LINEAR" and width[0] < 1):
        raise CaseError("unreadable", f"the DICOM header's WindowWidth is {width[0]:g}; a {function} window is wider")
    return Window(centre[0], width[0], function)


def _range(modality: Linear | Lut, layout: Layout) -> tuple[float, float]:
    """The smallest and the largest modality value that the stored bits can give."""
    if isinstance(modality, Lut):
        return 0.0, float(2**modality.bits - 1)
    ends = modality(np.array(layout.limits, np.float64))
    return float(ends.min()), float(ends.max())


def _padding(elements: pydicom.Dataset, layout: Layout) -> tuple[float, float] | None:
    value = numbers(elements, "PixelPaddingValue", 1)
    if value is None:
        return None
    ends = [*value, *(numbers(elements, "PixelPaddingRangeLimit", 1) or value)]
    if layout.signed:  # a writer may have stored it unsigned
        ends = [end - 2**layout.allocated if end >= 2 ** (layout.allocated - 1) else end for end in ends]
    return min(ends), max(ends)
