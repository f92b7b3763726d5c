"""PNG: 1, 2, 4, 8 and 16 bit; grey, palette and RGB, with alpha or a transparent colour (dropped), interlaced or not.

libpng decodes through imagecodecs, which keeps 16 bit where Pillow would cut colours to 8; Pillow decodes palettes,
greys below 8 bit, and what is interlaced (of which libpng warns on stderr) unless it would cut it. Of an animation the
first picture is read. Orientation is that of an eXIf chunk.
"""

import io
import struct
from collections.abc import Iterator
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from imaging_core.decode.case import CaseError, Limits, Planes
from imaging_core.decode.raster import check_size, exif_orientation, upright

name = "PNG"
suffixes = frozenset({".png", ".apng"})

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6
_PLANES = {_GREY: 1, _RGB: 3, _PALETTE: 3, _GREY_ALPHA: 1, _RGBA: 3}
_PIXELS = {b"IHDR", b"IDAT", b"IEND"}
_SPREAD = {1: 255, 2: 85, 4: 17}
"""What Pillow multiplies greys of so many bits by."""


def recognises(head: bytes) -> bool:
    """The eight bytes that every PNG starts with."""
    return head.startswith(_SIGNATURE)


def read(data: bytes, limits: Limits, indices: bool) -> Planes:
    """Decode; see :class:`~imaging_core.decode.raster.RasterFormat`."""
    width, height, bits, colour_type, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    planes = _PLANES[colour_type]
    check_size(height, width, planes, limits)
    chunks = list(_chunks(data))
    if not chunks or chunks[-1][0] != b"IEND":
        raise CaseError("unreadable", "the PNG data is truncated: it has no end chunk")
    if colour_type == _PALETTE or bits < 8 or (interlaced and (bits == 8 or colour_type == _GREY)):
        pixels = _with_pillow(data, bits, colour_type, indices)
    else:  # of the pixels alone: libpng prints what it finds wrong with other chunks
        pixels = imagecodecs.png_decode(_SIGNATURE + b"".join(chunk for kind, chunk in chunks if kind in _PIXELS))
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if indices and colour_type == _PALETTE:
        planes = 1
    exif = next((bytes(chunk[8:-4]) for kind, chunk in chunks if kind == b"eXIf"), None)
    orientation = None if exif is None else exif_orientation(exif)
    return Planes(upright(pixels[:, :, :planes], orientation), colour=planes == 3)


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """The type and the whole of each chunk, up to IEND."""
    view = memoryview(data)
    at = len(_SIGNATURE)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        yield kind, view[at : at + 12 + length]
        if kind == b"IEND":
            return
        at += 12 + length


def _with_pillow(data: bytes, bits: int, colour_type: int, indices: bool) -> NDArray[Any]:
    image: Image.Image = PngImagePlugin.PngImageFile(io.BytesIO(data))
    if colour_type == _PALETTE and not indices:
        return np.array(image.convert("RGB"))
    pixels = np.array(image.convert("L") if image.mode == "1" else image)
    if indices and colour_type == _GREY:
        pixels //= _SPREAD[bits]
    return pixels
