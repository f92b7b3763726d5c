"""Lookup tables of DICOM headers, of greys and of palettes: from elements to entries."""

from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from imaging_core.decode.case import CaseError
from imaging_core.decode.dicom_grey import Lut

_COLOURS = ("Red", "Green", "Blue")
_DISCRETE, _LINEAR, _INDIRECT = 0, 1, 2
_OVERHEAD = 2
"""Values at the start of a segment: its kind and its length."""


def grey_lut(item: pydicom.Dataset, *, little_endian: bool, signed: bool) -> Lut:
    """The table of a Modality or VOI LUT Sequence's item.

    Args:
        item: the item.
        little_endian: of words that are stored as bytes.
        signed: the first value mapped may be negative, however it was stored.

    Raises:
        CaseError: unreadable when the table contradicts its own description.
    """
    count, first, bits = _description(item.LUTDescriptor, signed=signed)
    entries = _entries(_words(item.LUTData, little_endian), count)
    if not 8 <= bits <= 16 or int(entries.max()) >= 2**bits:
        raise _contradiction()
    return Lut(first, entries, bits)


def through_palette(
    indices: NDArray[Any], elements: pydicom.Dataset, *, little_endian: bool, signed: bool
) -> NDArray[np.uint8 | np.uint16]:
    """Rows x columns x 3 of rows x columns x 1, uint8 or uint16 as the palette's entries are.

    Values outside the palette get its first or last entry.

    Raises:
        CaseError: unreadable when the palette is missing or contradicts itself.
    """
    tables = []
    for colour in _COLOURS:
        descriptor = elements.get(f"{colour}PaletteColorLookupTableDescriptor")
        if not descriptor:
            raise CaseError("unreadable", "the DICOM header holds no palette for its pixels")
        count, first, bits = _description(descriptor, signed=signed)
        if bits not in (8, 16):
            raise _contradiction()
        words = elements.get(f"{colour}PaletteColorLookupTableData")
        if words is not None:
            entries = _entries(_words(words, little_endian), count)
        else:
            segments = _words(elements[f"Segmented{colour}PaletteColorLookupTableData"].value, little_endian)
            entries = _expanded(segments.astype("<u2").view(np.uint8) if bits == 8 else segments, count)
        if int(entries.max()) >= 2**bits:
            raise _contradiction()
        tables.append(Lut(first, entries, bits))
    kind = np.uint8 if max(table.bits for table in tables) == 8 else np.uint16
    return np.dstack([table(indices[:, :, 0]).astype(kind) for table in tables])


def _description(descriptor: Any, *, signed: bool) -> tuple[int, int, int]:
    """How many entries, the value that the first one is for, and their bits."""
    count, first, bits = (int(value) for value in descriptor)
    return count or 65536, first - 65536 if signed and first > 32767 else first, bits


def _words(data: Any, little_endian: bool) -> NDArray[np.uint16]:
    """The value of an element of VR US, SS or OW."""
    if isinstance(data, bytes):
        return np.frombuffer(data[: len(data) // 2 * 2], "<u2" if little_endian else ">u2").astype(np.uint16)
    return (np.atleast_1d(np.array(data, np.int64)) & 0xFFFF).astype(np.uint16)


def _entries(words: NDArray[np.uint16], count: int) -> NDArray[np.uint16]:
    if len(words) < count <= 2 * len(words):  # two in a word, the first in its low byte
        words = words.astype("<u2").view(np.uint8).astype(np.uint16)
    if len(words) < count:
        raise _contradiction()
    return words[:count]


def _expanded(segments: NDArray[Any], count: int) -> NDArray[np.uint16]:
    """The entries that segments stand for (PS3.3 C.7.9.2)."""
    entries = np.zeros(count, np.uint16)
    filled, at = 0, 0
    values = segments.tolist()
    unit = segments.dtype.itemsize
    while filled < count and at + _OVERHEAD < len(values):
        if values[at] == _INDIRECT:
            source = sum(value << (8 * unit * place) for place, value in enumerate(values[at + 2 : at + 2 + 4 // unit]))
            place = source // unit
            for _ in range(values[at + 1]):
                filled, place = _segment(values, place, entries, filled)
            at += _OVERHEAD + 4 // unit
        else:
            filled, at = _segment(values, at, entries, filled)
    if filled < count:
        raise _contradiction()
    return entries


def _segment(values: list[int], at: int, entries: NDArray[np.uint16], filled: int) -> tuple[int, int]:
    """Put a discrete or linear segment; how many entries are filled then, and where the next segment starts."""
    kind, length = values[at : at + _OVERHEAD]
    end = min(filled + length, len(entries))
    if kind == _DISCRETE:
        entries[filled:end] = values[at + _OVERHEAD : at + _OVERHEAD + end - filled]
        return end, at + _OVERHEAD + length
    if kind != _LINEAR or not filled:
        raise _contradiction()
    last = int(entries[filled - 1])
    steps = np.arange(1, end - filled + 1) / length
    entries[filled:end] = np.floor(last + (values[at + _OVERHEAD] - last) * steps + 0.5)
    return end, at + _OVERHEAD + 1


def _contradiction() -> CaseError:
    return CaseError("unreadable", "a lookup table of the DICOM header contradicts its own description")
