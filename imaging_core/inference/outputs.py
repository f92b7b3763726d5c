"""Output files: the same values give the same bytes, with no time and no program's name in them."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

_GREY, _EIGHT_BIT = 0, 8


def to_png(values: NDArray[np.uint8]) -> bytes:
    """An 8-bit grey PNG of height x width values.

    Rows are not filtered and only runs of one value are sought (zlib's Z_RLE): for masks that is the smallest file as
    well as the fastest.
    """
    height, width = values.shape
    rows = np.zeros((height, width + 1), np.uint8)  # each row begins with its filter, 0
    rows[:, 1:] = values
    compressor = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    packed = compressor.compress(rows.data) + compressor.flush()
    header = struct.pack(">IIBBBBB", width, height, _EIGHT_BIT, _GREY, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def to_tiff(pages: NDArray[Any]) -> bytes:
    """A TIFF of pages x height x width values, one page each; integers are deflated, floats stay as they are."""
    file = io.BytesIO()
    tifffile.imwrite(
        file,
        pages,
        photometric="minisblack",
        compression="zlib" if np.issubdtype(pages.dtype, np.integer) else None,
        metadata=None,
        software=False,
    )
    return file.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
