"""JPEG: baseline and progressive, 8 bit; grey, RGB, CMYK and YCCK (Adobe's inverted values included).

Pillow reads the header. libjpeg-turbo decodes through imagecodecs, which gives the same pixels as Pillow in half the
time; CMYK goes through Pillow and its plain conversion to RGB, without a colour profile, and so does a JPEG that a
model card wants at a reduced scale: libjpeg leaves out what the smaller image does not show. Both fill what is missing
from a truncated file with grey, so a file must hold its end marker.
"""

import io
import re
import struct

import imagecodecs
import numpy as np
from PIL import JpegImagePlugin

from imaging_core.decode.case import CaseError, Limits, Planes
from imaging_core.decode.raster import TURNED, check_size, exif_orientation, upright

name = "JPEG"
suffixes = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})

_END, _SCAN = 0xD9, 0xDA
_ALONE = {0x01, *range(0xD0, 0xD9)}
_MARKER = re.compile(rb"\xff+([^\x00\xff])")
_MARKER_IN_DATA = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


def recognises(head: bytes) -> bool:
    """SOI and the start of a marker."""
    return head.startswith(b"\xff\xd8\xff")


def read(data: bytes, limits: Limits, indices: bool) -> Planes:  # noqa: ARG001 - JPEG stores no indices
    """Decode; see :class:`~imaging_core.decode.raster.RasterFormat`."""
    header = JpegImagePlugin.JpegImageFile(io.BytesIO(data))
    check_size(header.height, header.width, len(header.getbands()), limits)
    if not has_end(data):
        raise CaseError("unreadable", "the JPEG data is truncated: it has no end marker")
    orientation = exif_orientation(header.info["exif"]) if "exif" in header.info else None
    full = (header.height, header.width)
    if limits.reduce_to is not None and header.mode != "CMYK":
        height, width = limits.reduce_to if orientation not in TURNED else limits.reduce_to[::-1]
        header.draft(None, (width, height))
        pixels = np.array(header)
        scaled = (header.height, header.width)
    else:
        pixels = np.array(header.convert("RGB")) if header.mode == "CMYK" else imagecodecs.jpeg8_decode(data)
        scaled = full
    if pixels.shape[:2] != scaled:
        raise CaseError("unreadable", "the JPEG headers contradict each other")
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    return Planes(
        upright(pixels, orientation),
        colour=pixels.shape[2] == 3,
        full_size=full[::-1] if orientation in TURNED else full,
    )


def has_end(data: bytes) -> bool:
    """Whether the markers of the first image lead to its end: a truncated file stops before."""
    at = 2
    while found := _MARKER.match(data, at):
        marker = found[1][0]
        at = found.end()
        if marker == _END:
            return True
        if marker in _ALONE:
            continue
        if at + 2 > len(data):
            return False
        at += struct.unpack_from(">H", data, at)[0]
        if marker == _SCAN:  # entropy-coded data follows: on to the next marker that is no restart
            following = _MARKER_IN_DATA.search(data, at)
            if following is None:
                return False
            at = following.start()
    return False
