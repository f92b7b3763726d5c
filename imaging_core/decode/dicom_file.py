"""A DICOM file's structure: from bytes to the elements that pixels need, checked before any pixel is decoded.

pydicom parses. Of all elements only those of :data:`_KEPT` are read, none of which names a patient, and what pydicom
would say about the others in logs and warnings is silenced: it quotes them.
"""

import io
import logging
import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import pydicom
from pydicom.datadict import keyword_for_tag, tag_for_keyword
from pydicom.filereader import read_dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.raster import check_size

logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
warnings.filterwarnings("ignore", module="pydicom")

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_KEPT = [
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "ImageType"),
    *("SegmentationType", "SegmentSequence", "MaximumFractionalValue", "ReferencedSeriesSequence"),
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "DoseGridScaling"),
    *("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence"),
    *(f"{colour}PaletteColorLookupTableDescriptor" for colour in ("Red", "Green", "Blue")),
    *(f"{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
    *(f"Segmented{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "GridFrameOffsetVector"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths", *PIXELS),
]
_TAGS: list[int] = [tag for tag in map(tag_for_keyword, _KEPT) if tag is not None]
_PIXEL_TAGS = {tag_for_keyword(name) for name in PIXELS}
_ELEMENT_HEADER = 12
"""Tag, type, two bytes unused, length: what stands before the pixels in explicit syntaxes."""

_PHOTOMETRIC = {
    **{"MONOCHROME1": 1, "MONOCHROME2": 1, "PALETTE COLOR": 1},
    **{"RGB": 3, "YBR_FULL": 3, "YBR_FULL_422": 3, "YBR_RCT": 3, "YBR_ICT": 3},
}
"""What is read, and how many samples each has."""

_MOST_HEAD = 16 * 1024 * 1024
"""The elements before the pixels of a deflated file are at most so long; they are inflated first."""

_LARGEST = 65535
_LARGEST_COUNT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Layout:
    """How the pixels are stored.

    Attributes:
        syntax: the transfer syntax.
        little_endian: of native pixels.
        rows: height in pixels.
        columns: width in pixels.
        frames: how many images the file holds.
        samples: values per pixel, 1 or 3.
        by_plane: all red ones first, then green, then blue, in a native frame.
        photometric: the Photometric Interpretation.
        allocated: bits of a value in a native frame.
        stored: how many of them count.
        high: the most significant of them.
        signed: whether they are two's complement.
    """

    syntax: UID
    little_endian: bool
    rows: int
    columns: int
    frames: int
    samples: int
    by_plane: bool
    photometric: str
    allocated: int
    stored: int
    high: int
    signed: bool

    @property
    def native_bytes(self) -> int:
        """How long all frames are where they are not compressed."""
        values = self.rows * self.columns * self.samples * self.frames
        if self.photometric == "YBR_FULL_422":
            values = values // 3 * 2  # colour for every other pixel
        return (values * self.allocated + 7) // 8

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest value that can be stored."""
        return (-(2 ** (self.stored - 1)), 2 ** (self.stored - 1) - 1) if self.signed else (0, 2**self.stored - 1)


@dataclass(frozen=True, slots=True)
class DicomFile:
    """One file: its elements, the name of the element that holds pixels, and how they are stored."""

    elements: pydicom.Dataset
    pixels: str
    layout: Layout


def parse(data: bytes, limits: Limits) -> DicomFile:
    """Read the structure of an image.

    Raises:
        CaseError: unsupported when it is no image or of a kind that is not read here, too_large, or unreadable.
        Exception: anything at all on damaged data.
    """
    elements, syntax, little_endian = _elements(data, limits)
    held = [name for name in PIXELS if name in elements]
    if not held:
        raise CaseError("unsupported", f"this DICOM object holds no pixels ({kind_of(elements)})")
    layout = _layout(elements, held[0], syntax, little_endian)
    check_size(layout.rows, layout.columns, layout.frames * layout.samples, limits)
    return DicomFile(elements, held[0], layout)


def read_header(data: bytes, limits: Limits, keywords: Sequence[str] = ()) -> pydicom.Dataset:
    """The elements that :func:`parse` reads, and those of ``keywords``, without pixels.

    Raises:
        Exception: anything at all on damaged data.
    """
    tags = [*_TAGS, *(tag for tag in map(tag_for_keyword, keywords) if tag is not None)]
    elements, _, _ = _elements(data, limits, tags, pixels=False)
    for name in PIXELS:
        if name in elements:
            del elements[name]
    return elements


def class_of(elements: pydicom.Dataset) -> UID:
    """The SOP Class UID; empty when the file does not say."""
    meta = getattr(elements, "file_meta", elements)
    return UID(str(elements.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID", "")))


def kind_of(elements: pydicom.Dataset) -> str:
    """What the standard calls objects of this class."""
    uid = class_of(elements)
    return uid.name if uid and uid.name != uid else "of an unknown class"


def whole(elements: pydicom.Dataset, keyword: str, least: int, most: int, default: int | None = None) -> int:
    """An element's one whole number; ``default`` stands for what is absent or empty.

    Raises:
        CaseError: unreadable when there is none and no default, or when it is out of range.
    """
    value = elements.get(keyword)
    if value is None or value == "":
        value = default
    if value is None:
        raise CaseError("unreadable", f"the DICOM header does not say {keyword}")
    if not isinstance(value, int | float | str) or int(value) != float(value) or not least <= int(value) <= most:
        raise CaseError("unreadable", f"the DICOM header's {keyword} is no number from {least} to {most}")
    return int(value)


def _elements(
    data: bytes, limits: Limits, tags: list[int] = _TAGS, *, pixels: bool = True
) -> tuple[pydicom.Dataset, UID, bool]:
    """The elements, the transfer syntax and whether native pixels are little-endian."""
    start = 132 if data[128:132] == b"DICM" else 0
    syntax = UID("")
    if data[start : start + 2] == b"\2\0":
        file = io.BytesIO(data)
        file.seek(start)
        meta = read_dataset(file, False, True, stop_when=lambda tag, _vr, _length: tag.group != 2)
        syntax = UID(str(meta.get("TransferSyntaxUID", "")))
        if syntax == DeflatedExplicitVRLittleEndian:
            return _inflated(memoryview(data)[file.tell() :], limits, tags), syntax, True
    elements = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=not pixels, force=True, specific_tags=tags)
    return elements, syntax, bool(elements.original_encoding[1])


def _inflated(deflated: memoryview, limits: Limits, tags: list[int]) -> pydicom.Dataset:
    """The elements of a deflated file, of which no more is inflated than its head, once checked, promises."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    head = stream.decompress(deflated, _MOST_HEAD)
    file = io.BytesIO(head)
    elements = read_dataset(
        file, False, True, stop_when=lambda tag, _vr, _length: tag in _PIXEL_TAGS, specific_tags=tags
    )
    start = file.tell()
    if start + _ELEMENT_HEADER > len(head):
        if len(head) == _MOST_HEAD:
            raise CaseError("unsupported", "a deflated DICOM file with more than 16 MiB before its pixels")
        return elements
    group, element, vr = struct.unpack_from("<HH2s", head, start)
    name = keyword_for_tag(group << 16 | element)
    layout = _layout(elements, name, DeflatedExplicitVRLittleEndian, True)
    check_size(layout.rows, layout.columns, layout.frames * layout.samples, limits)
    pixels = head[start + _ELEMENT_HEADER :]
    if len(pixels) < layout.native_bytes:
        pixels += stream.decompress(stream.unconsumed_tail, layout.native_bytes - len(pixels))
    elements.add_new(group << 16 | element, vr.decode("ascii"), pixels)
    return elements


def _layout(elements: pydicom.Dataset, pixels: str, syntax: UID, little_endian: bool) -> Layout:
    samples = whole(elements, "SamplesPerPixel", 1, 4, default=1)
    if pixels == "PixelData":
        allocated = whole(elements, "BitsAllocated", 1, 64)
        if allocated not in (1, 8, 16, 32):
            raise CaseError("unsupported", f"DICOM pixels of {allocated} bits allocated")
        stored = whole(elements, "BitsStored", 1, allocated, default=allocated)
        high = whole(elements, "HighBit", stored - 1, allocated - 1, default=stored - 1)
        signed = whole(elements, "PixelRepresentation", 0, 1, default=0) == 1
    else:
        allocated = stored = 32 if pixels == "FloatPixelData" else 64
        high, signed = stored - 1, True
    photometric = str(elements.get("PhotometricInterpretation", "")).strip().upper()
    if not photometric:
        raise CaseError("unreadable", "the DICOM header does not say PhotometricInterpretation")
    if photometric not in _PHOTOMETRIC or _PHOTOMETRIC[photometric] != samples:
        raise CaseError("unsupported", f"DICOM colours of a kind that is not read here, with {samples} samples a pixel")
    return Layout(
        syntax,
        little_endian,
        rows=whole(elements, "Rows", 1, _LARGEST),
        columns=whole(elements, "Columns", 1, _LARGEST),
        frames=whole(elements, "NumberOfFrames", 0, _LARGEST_COUNT, default=1) or 1,
        samples=samples,
        by_plane=samples > 1 and whole(elements, "PlanarConfiguration", 0, 1, default=0) == 1,
        photometric=photometric,
        allocated=allocated,
        stored=stored,
        high=high,
        signed=signed,
    )
