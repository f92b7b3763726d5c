"""TIFF files of all layouts with lies and damage, in their directories and their data; what has to hold of each."""

import io
import random
import struct
from functools import lru_cache

import numpy as np
import tifffile
from PIL import Image

from imaging_core.decode import tiff
from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.raster import RasterDecoder
from imaging_core.store import Location
from imaging_core.store.memory import MemorySource

LIMITS = Limits(pixels=2**18)
_NUMBERS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 24, 31, 32, 33, 64, 255, 256, 1000, 32773, 65535, 2**16, 10**6, 2**31 - 1,
            2**31, 2**32 - 1)  # fmt: skip
_LARGE = (*_NUMBERS, 2**40, 2**62, 2**63 - 1, 2**64 - 1)
_TAGS = (254, 256, 257, 258, 259, 262, 266, 270, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 330, 338,
         339, 347, 530, 32997, 34665, 50838, 50839)  # fmt: skip
"""Of sizes, types, layouts, compressions, copies and ImageJ."""


@lru_cache(maxsize=1)
def _good() -> list[bytes]:
    """Whole files: types, layouts, compressions, pages and both formats in both byte orders."""
    rng = np.random.default_rng(0)
    grey, colour = rng.integers(0, 200, (37, 29), np.uint8), rng.integers(0, 200, (37, 29, 3), np.uint8)
    pages = rng.integers(0, 9, (3, 20, 16), np.uint16)
    files = []
    for options in (
        {"data": grey},
        {"data": grey.astype(np.float32), "compression": "zlib", "predictor": 3},
        {"data": grey.astype(np.int32), "tile": (16, 32), "compression": "lzw"},
        {"data": colour, "photometric": "rgb", "tile": (32, 16), "compression": "zlib", "predictor": 2},
        {"data": np.moveaxis(colour, -1, 0), "photometric": "rgb", "planarconfig": "separate", "rowsperstrip": 5},
        {"data": colour, "photometric": "rgb", "compression": "jpeg"},
        {"data": colour, "photometric": "rgb", "compression": "zstd", "rowsperstrip": 9},
        {"data": grey > 99, "compression": "packbits", "photometric": "miniswhite"},
        {"data": pages, "photometric": "minisblack"},
        {"data": grey, "photometric": "palette", "colormap": np.arange(768, dtype=np.uint16).reshape(3, 256)},
    ):
        for how in ({"byteorder": "<"}, {"byteorder": ">"}, {"bigtiff": True}):
            file = io.BytesIO()
            tifffile.imwrite(file, **({"metadata": None} | options | how))
            files.append(file.getvalue())
    file = io.BytesIO()
    tifffile.imwrite(file, pages, imagej=True)
    files.append(file.getvalue())
    for mode, compression in (("1", "group4"), ("1", "group3"), ("CMYK", "tiff_lzw"), ("YCbCr", "jpeg"), ("L", "lzma")):
        file = io.BytesIO()
        Image.fromarray(colour).convert(mode).save(file, "TIFF", compression=compression)
        files.append(file.getvalue())
    return files


def mutated(rng: random.Random) -> bytes:
    """One file with one to four things wrong."""
    data = bytearray(rng.choice(_good()))
    for _ in range(rng.choice((1, 1, 2, 3, 4))):
        match rng.randrange(8):
            case 0:
                for _ in range(rng.randint(1, 8)):
                    data[rng.randrange(len(data))] = rng.randrange(256)
            case 1:
                del data[rng.randrange(8, len(data) + 1) :]
            case 2:
                data += rng.randbytes(rng.randrange(1, 500))
            case _:
                _change_entry(rng, data)
    return bytes(data)


def check(data: bytes) -> bool:
    """Whether the file is read in any way; anything but a value within LIMITS or a CaseError is raised."""
    decoder, source = RasterDecoder(tiff), MemorySource(Location.parse("scan.tif"), data)
    read = False
    for channels in (1, 3):
        try:
            (seen,) = decoder.decode([source], channels, LIMITS).inputs
            if seen.pixels.size > channels * LIMITS.pixels:
                raise AssertionError(f"{seen.pixels.shape} pixels")
            read = True
        except CaseError as error:
            _check_words(error)
    try:
        decoder.mask(source, LIMITS, indices=True)
        read = True
    except CaseError as error:
        _check_words(error)
    return read


def _check_words(error: CaseError) -> None:
    if error.kind == "out_of_memory" or "scan.tif" in error.reason:
        raise AssertionError(f"{error.kind}: {error.reason}") from error


def _change_entry(rng: random.Random, data: bytearray) -> None:
    """Change tag, type, count or value of one entry of a directory."""
    order = "<" if data[:2] == b"II" else ">"
    big = bytes(data[2:4]) in (b"+\0", b"\0+")
    offset, count, entry = ("Q", "Q", "HHQQ") if big else ("L", "H", "HHLL")
    try:
        (place,) = struct.unpack_from(order + offset, data, 8 if big else 4)
        (entries,) = struct.unpack_from(order + count, data, place)
        place += struct.calcsize(order + count) + rng.randrange(entries) * struct.calcsize(order + entry)
        fields = list(struct.unpack_from(order + entry, data, place))
    except (struct.error, ValueError, OverflowError):
        return
    which = rng.choice((0, 1, 2, 3, 3, 3, 3))
    if which == 0:
        fields[0] = rng.choice(_TAGS)
    elif which == 1:
        fields[1] = rng.randrange(20)
    else:
        number = rng.choice(_LARGE if big else _NUMBERS)
        short = which == 3 and order == ">" and fields[1] == 3  # big-endian shorts are at the left of their field
        fields[which] = number % 2**16 << (48 if big else 16) if short else number
    struct.pack_into(order + entry, data, place, *fields)
