"""PNG: 1, 2, 4, 8 and 16 bit; grey, palette and RGB, with alpha or a transparent colour (dropped), interlaced or not.

libpng decodes through imagecodecs, which keeps 16 bit where Pillow would cut colours to 8; Pillow decodes palettes,
greys below 8 bit, and what is interlaced (of which libpng warns on stderr) unless it would cut it. Of an animation the
first picture is read. Orientation is that of an eXIf chunk.
"""

import io
import struct
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
_PIXELS = frozenset({b"IHDR", b"IDAT", b"IEND"})
_CHUNK = struct.Struct(">I4s")
_AROUND = 12
"""Bytes of a chunk beside its data: length, type, CRC."""

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
    chunks = _chunks(data)
    if not chunks or chunks[-1][0] != b"IEND":
        raise CaseError("unreadable", "the PNG data is truncated: it has no end chunk")
    if colour_type == _PALETTE or bits < 8 or (interlaced and (bits == 8 or colour_type == _GREY)):
        pixels = _with_pillow(data, bits, colour_type, indices)
    else:
        pixels = imagecodecs.png_decode(_pixels_alone(data, chunks))
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if indices and colour_type == _PALETTE:
        planes = 1
    exif = [data[begin + 8 : end - 4] for kind, begin, end in chunks if kind == b"eXIf"]
    orientation = exif_orientation(exif[0]) if exif else None
    return Planes(upright(pixels[:, :, :planes], orientation), colour=planes == 3)


def _chunks(data: bytes) -> list[tuple[bytes, int, int]]:
    """The type of each chunk up to IEND, and where all of it begins and ends."""
    chunks = []
    begin = len(_SIGNATURE)
    while begin + _AROUND <= len(data):
        length, kind = _CHUNK.unpack_from(data, begin)
        end = begin + _AROUND + length
        chunks.append((kind, begin, end))
        if kind == b"IEND":
            break
        begin = end
    return chunks


def _pixels_alone(data: bytes, chunks: list[tuple[bytes, int, int]]) -> bytes:
    """The PNG without other chunks: libpng prints what it finds wrong with them."""
    if _PIXELS.issuperset([kind for kind, _, _ in chunks]):
        return data
    return _SIGNATURE + b"".join([data[begin:end] for kind, begin, end in chunks if kind in _PIXELS])


def _with_pillow(data: bytes, bits: int, colour_type: int, indices: bool) -> NDArray[Any]:
    image: Image.Image = PngImagePlugin.PngImageFile(io.BytesIO(data))
    if colour_type == _PALETTE and not indices:
        return np.array(image.convert("RGB"))
    pixels = np.array(image.convert("L") if image.mode == "1" else image)
    if indices and colour_type == _GREY:
        pixels //= _SPREAD[bits]
    return pixels
