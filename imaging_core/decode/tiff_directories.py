"""What has to hold before tifffile reads a file: the sizes in its directories are single whole numbers.

tifffile multiplies them, and where damage has made one a list, a text or a fraction, which it gives as two numbers,
Python repeats that some billion times.
"""

import struct
from typing import BinaryIO

from imaging_core.decode.case import CaseError

MOST_DIRECTORIES = 1024
MOST_ENTRIES = 4096
"""Of one directory; tifffile reads no more, either."""

_SINGLE = frozenset({256, 257, 277, 284, 322, 323, 32997, 32998})
"""Codes of ImageWidth, ImageLength, SamplesPerPixel, PlanarConfiguration, TileWidth, TileLength, ImageDepth and
TileDepth: one number each (TIFF 6.0, sections 8 and 15; SGI's depths)."""

_WHOLE = frozenset({3, 4, 8, 9, 16, 17})
"""Types SHORT, LONG, SSHORT, SLONG, LONG8 and SLONG8; tifffile gives BYTE as bytes."""

_SUB_DIRECTORIES = 330
_BIG_TIFF = 43
_LONGEST_CLASSIC = 2**32
"""Bytes; longer files of this kind are Hamamatsu's, whose offsets are their own."""


def check_numbers(file: BinaryIO) -> None:
    """Look at all directories of a TIFF or BigTIFF, those within others, too; the file is at its start afterwards.

    Args:
        file: seekable. Where it is damaged in another way, reading it will say so.

    Raises:
        CaseError: unreadable, when a size is no single whole number.
    """
    try:
        _check(file, file.seek(0, 2))
    except struct.error:  # the file ends within a directory
        return
    finally:
        file.seek(0)


def _check(file: BinaryIO, length: int) -> None:
    file.seek(0)
    head = file.read(16)
    order = "<" if head.startswith(b"II") else ">"
    big = struct.unpack_from(order + "H", head, 2)[0] == _BIG_TIFF
    if not big and length >= _LONGEST_CLASSIC:
        return
    offset, number, entry = ("Q", "Q", "HHQQ") if big else ("I", "H", "HHII")
    size = struct.calcsize(order + entry)
    waiting = [struct.unpack_from(order + offset, head, 8 if big else 4)[0]]
    seen: set[int] = set()
    while waiting and len(seen) < MOST_DIRECTORIES:
        begin = waiting.pop()
        if begin in seen or not 0 < begin < length:
            continue
        seen.add(begin)
        file.seek(begin)
        (count,) = struct.unpack(order + number, file.read(struct.calcsize(order + number)))
        if count > MOST_ENTRIES:
            continue
        data = file.read(count * size + struct.calcsize(order + offset))
        waiting.append(struct.unpack_from(order + offset, data, count * size)[0])
        for code, kind, values, value in struct.iter_unpack(order + entry, data[: count * size]):
            if code in _SINGLE and (values != 1 or kind not in _WHOLE):
                raise CaseError("unreadable", "the TIFF headers are damaged: a size in them is no whole number")
            if code == _SUB_DIRECTORIES and values <= MOST_DIRECTORIES:
                waiting += _offsets(file, order + str(values) + offset, value)


def _offsets(file: BinaryIO, form: str, value: int) -> tuple[int, ...]:
    """Where directories within a directory begin; one alone stands in the entry itself."""
    size = struct.calcsize(form)
    if size <= struct.calcsize(form[0] + form[-1]):
        return (value,)
    file.seek(value)
    return struct.unpack(form, file.read(size))
