"""BMP: 1 to 32 bit, palette, run-length coded; alpha is dropped."""

import io
import struct

import numpy as np
from PIL import BmpImagePlugin

from imaging_core.decode.case import CaseError, Limits, Planes
from imaging_core.decode.raster import check_size

name = "BMP"
suffixes = frozenset({".bmp", ".dib"})

_BITS_AT, _COMPRESSION_AT, _COLOURS_AT = 28, 30, 46


def recognises(head: bytes) -> bool:
    """``BM``, and a header length that BMP files have."""
    return head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in (12, 16, 40, 52, 56, 64, 108, 124)


def read(data: bytes, limits: Limits, indices: bool) -> Planes:
    """Decode; see :class:`~imaging_core.decode.raster.RasterFormat`."""
    image = BmpImagePlugin.BmpImageFile(io.BytesIO(data))
    check_size(image.height, image.width, len(image.getbands()), limits)
    if image.mode == "1" and data[_BITS_AT] == 8:
        image = _eight_bit_of_two_greys(data, image.height, image.width)
    if image.mode == "P" and not indices:
        pixels = np.array(image.convert("RGB"))
    elif image.mode == "1":
        pixels = np.array(image.convert("L"))
        if indices:
            pixels //= 255
    else:
        pixels = np.array(image)
    if pixels.ndim == 2:
        return Planes(pixels[:, :, None], colour=False)
    return Planes(np.ascontiguousarray(pixels[:, :, :3]), colour=True)


def _eight_bit_of_two_greys(data: bytes, height: int, width: int) -> BmpImagePlugin.BmpImageFile:
    """Open a file whose palette is black and white; Pillow 13 reads its bytes as if they were bits.

    With the number of colours unsaid it reads a palette of 256, of which only the first two are used.
    """
    pixels_at = struct.unpack_from("<I", data, 10)[0]
    compression = struct.unpack_from("<I", data, _COMPRESSION_AT)[0]
    if not compression and pixels_at + (width + 3) // 4 * 4 * height > len(data):
        raise CaseError("unreadable", "the BMP data is truncated")
    mended = bytearray(data)
    struct.pack_into("<I", mended, _COLOURS_AT, 0)
    return BmpImagePlugin.BmpImageFile(io.BytesIO(bytes(mended) + bytes(1024)))
