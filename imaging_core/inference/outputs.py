"""Output files: the same values give the same bytes, with no time and no program's name in them."""

import io
import struct
import zlib
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

_GREY, _EIGHT_BIT, _UP = 0, 8, 2
_ZLIB_LEVEL = 2


def to_png(values: NDArray[np.uint8]) -> bytes:
    """An 8-bit grey PNG of height x width values.

    Each row holds what has changed since the row above (filter "Up"), which of a mask is next to nothing; zlib-ng packs
    that in a fifth of zlib's time.
    """
    height, width = values.shape
    rows = np.empty((height, width + 1), np.uint8)
    rows[:, 0] = _UP
    rows[:1, 1:] = values[:1]
    np.subtract(values[1:], values[:-1], out=rows[1:, 1:])
    packed = bytes(imagecodecs.zlibng_encode(rows, _ZLIB_LEVEL))  # type: ignore[arg-type]
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
