"""JPEG: baseline and progressive, 8 bit; grey, RGB, CMYK and YCCK (Adobe's inverted values included).

Pillow reads the header. libjpeg-turbo decodes through imagecodecs, which gives the same pixels as Pillow in half the
time; CMYK goes through Pillow and its plain conversion to RGB, without a colour profile, and so does a JPEG that a
model card wants at a reduced scale: libjpeg leaves out what the smaller image does not show. Both fill what is missing
from a truncated file with grey, so a file must hold its end marker.
"""

import io
import re
import struct
from collections.abc import Iterator

import imagecodecs
import numpy as np
from PIL import JpegImagePlugin

from imaging_core.decode.case import CaseError, Limits, Planes
from imaging_core.decode.raster import TURNED, check_size, exif_orientation, upright

name = "JPEG"
suffixes = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})

_END, _SCAN = 0xD9, 0xDA
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_READ_FRAMES = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
"""Frame headers of all processes, and of those that libjpeg-turbo reads: lossless and hierarchical ones are others."""

_ALONE = {0x01, *range(0xD0, 0xD9)}
_MARKER = re.compile(rb"\xff+([^\x00\xff])")
_MARKER_IN_DATA = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


def recognises(head: bytes) -> bool:
    """SOI and the start of a marker."""
    return head.startswith(b"\xff\xd8\xff")


def read(data: bytes, limits: Limits, indices: bool) -> Planes:  # noqa: ARG001 - JPEG stores no indices
    """Decode; see :class:`~imaging_core.decode.raster.RasterFormat`."""
    _check_frame(data)
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
    return any(marker == _END for marker, _ in markers(data))


def _check_frame(data: bytes) -> None:
    """Refuse what is JPEG, and whole perhaps, but of a kind that is not read here."""
    for marker, at in markers(data):
        if marker in _FRAMES:
            if marker not in _READ_FRAMES:
                raise CaseError("unsupported", "lossless and hierarchical JPEG is not read here")
            if len(data) > at + 2 and data[at + 2] != 8:
                raise CaseError("unsupported", f"JPEG of {data[at + 2]} bits is not read here, only of 8")
            return


def markers(data: bytes) -> Iterator[tuple[int, int]]:
    """The markers of the first image up to its end, and where the bytes after each start."""
    at = 2
    while found := _MARKER.match(data, at):
        marker, at = found[1][0], found.end()
        yield marker, at
        if marker == _END or at + 2 > len(data):
            return
        if marker in _ALONE:
            continue
        at += struct.unpack_from(">H", data, at)[0]
        if marker == _SCAN:  # entropy-coded data follows: on to the next marker that is no restart
            following = _MARKER_IN_DATA.search(data, at)
            if following is None:
                return
            at = following.start()
