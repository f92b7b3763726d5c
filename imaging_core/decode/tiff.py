"""TIFF and BigTIFF: integers and floats, striped or tiled, planar or interleaved, one page or several (planes).

tifffile reads the structure, imagecodecs the compressed data. Reduced-resolution copies and transparency masks are
left out. Values of 9 to 15 bits stay as they are stored, in 16 bit.
"""

import io
import logging
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from imaging_core.decode.case import CaseError, Limits, Planes
from imaging_core.decode.raster import check_size, grey, upright
from imaging_core.decode.tiff_directories import check_numbers

name = "TIFF"
suffixes = frozenset({".tif", ".tiff", ".btf"})

_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ORIENTATION, _SEPARATED_JPEG = 274, {6, 7}
_ALPHA = {1, 2}

logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)  # its warnings quote tags, which may name patients


def recognises(head: bytes) -> bool:
    """Byte order and version of TIFF or BigTIFF."""
    return head.startswith(_SIGNATURES)


def read(data: bytes, limits: Limits, indices: bool) -> Planes:
    """Decode; see :class:`~imaging_core.decode.raster.RasterFormat`."""
    stream = io.BytesIO(data)
    check_numbers(stream)
    with tifffile.TiffFile(stream, _multifile=False) as file:
        first = file.pages.first
        stack = (file.imagej_metadata or {}).get("images", 1) if file.is_imagej else 1
        if stack > 1 and len(file.pages) == 1:
            check_size(first.imagelength, first.imagewidth, stack, limits)
            return _imagej_stack(first, stack, data, file.byteorder)
        pages = [page for page in map(_full, file.pages) if not (page.is_reduced or page.is_mask)] or [first]
        if len({(page.imagelength, page.imagewidth) for page in pages}) > 1:
            raise CaseError("unsupported", "the pages of this TIFF have different sizes")
        count = sum(page.samplesperpixel * page.imagedepth for page in pages)
        check_size(first.imagelength, first.imagewidth, count, limits)
        for page in pages:
            _check_tiles(page, limits)
        decoded = [_page(page, len(data), indices) for page in pages]
    if len(decoded) == 1:
        return decoded[0]
    planes = [grey(page) for page in decoded]
    if len({plane.dtype for plane in planes}) > 1:
        raise CaseError("unsupported", "the pages of this TIFF have different types")
    return Planes(np.stack(planes, axis=2), colour=False)


def _full(page: tifffile.TiffPage | tifffile.TiffFrame) -> tifffile.TiffPage:
    return page.aspage()


def _page(page: tifffile.TiffPage, length: int, indices: bool) -> Planes:
    photometric = tifffile.PHOTOMETRIC(page.photometric)
    if page.compression not in tifffile.TIFF.DECOMPRESSORS:
        raise CaseError("unsupported", f"TIFF compression {int(page.compression)} is not known here")
    if page.dtype is None or page.imagedepth > 1:
        raise CaseError("unsupported", "a volume inside a TIFF page, or a type of pixel that is not known here")
    _check_whole(page, length)
    pixels = page.asarray(maxworkers=1)
    pixels = np.moveaxis(pixels, 0, -1) if page.axes == "SYX" else pixels[:, :, None] if pixels.ndim == 2 else pixels
    colour = photometric == tifffile.PHOTOMETRIC.RGB
    if colour and pixels.shape[2] < 3:
        raise CaseError("unreadable", "the TIFF headers contradict each other: RGB with fewer than three samples")
    match photometric:
        case tifffile.PHOTOMETRIC.MINISBLACK | tifffile.PHOTOMETRIC.RGB:
            pixels = _without_alpha(pixels, page)
        case tifffile.PHOTOMETRIC.MINISWHITE:
            pixels = _without_alpha(pixels, page)
            if not indices:
                pixels = _inverted(pixels, page.bitspersample)
        case tifffile.PHOTOMETRIC.PALETTE:
            pixels = pixels[:, :, :1]
            if not indices:  # the colour map holds 16-bit values, of which the upper byte counts
                pixels = (np.asarray(page.colormap) >> 8).astype(np.uint8)[:, pixels[:, :, 0]].transpose(1, 2, 0)
                return Planes(upright(pixels, _orientation(page)), colour=True)
        case tifffile.PHOTOMETRIC.YCBCR if page.compression in _SEPARATED_JPEG:
            colour = True  # the JPEG codec gives RGB
        case tifffile.PHOTOMETRIC.SEPARATED if pixels.dtype == np.uint8 and pixels.shape[2] == 4:
            pixels = np.array(Image.fromarray(np.ascontiguousarray(pixels), "CMYK").convert("RGB"))
            colour = True
        case _:
            raise CaseError("unsupported", f"TIFF colours of the kind {photometric.name} in {pixels.dtype}")
    if not indices and pixels.dtype == np.uint8 and page.bitspersample in (2, 4):
        pixels = pixels * np.uint8(255 // (2**page.bitspersample - 1))
    return Planes(upright(pixels, _orientation(page)), colour)


def _imagej_stack(page: tifffile.TiffPage, count: int, data: bytes, byteorder: str) -> Planes:
    """A stack of ImageJ: one directory, then one plane after the other."""
    if page.axes != "YX" or not page.is_contiguous or page.dtype is None:
        raise CaseError("unsupported", "a stack of ImageJ in colours, or compressed without a directory for each plane")
    start, values = page.dataoffsets[0], count * page.imagelength * page.imagewidth
    if start + values * page.dtype.itemsize > len(data):
        raise _truncated()
    stored = np.frombuffer(data, page.dtype.newbyteorder(byteorder), values, start)  # type: ignore[arg-type]
    planes = stored.reshape(count, page.imagelength, page.imagewidth).astype(page.dtype)
    return Planes(np.ascontiguousarray(np.moveaxis(planes, 0, -1)), colour=False)


def _check_tiles(page: tifffile.TiffPage, limits: Limits) -> None:
    """Tiles reach beyond the image, and are decoded whole; strips do not."""
    if page.is_tiled:
        height, width = (
            -(-side // tile) * tile
            for side, tile in ((page.imagelength, page.tilelength), (page.imagewidth, page.tilewidth))
        )
        check_size(height, width, page.samplesperpixel, limits)


def _check_whole(page: tifffile.TiffPage, length: int) -> None:
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        if offset + count > length:
            raise _truncated()


def _truncated() -> CaseError:
    return CaseError("unreadable", "the TIFF data is truncated: a strip or tile lies beyond its end")


def _without_alpha(pixels: NDArray[Any], page: tifffile.TiffPage) -> NDArray[Any]:
    extra = [int(value) for value in page.extrasamples]
    kinds = [0] * (pixels.shape[2] - len(extra)) + extra
    return pixels[:, :, [plane for plane, kind in enumerate(kinds) if kind not in _ALPHA]]


def _inverted(pixels: NDArray[Any], bits: int) -> NDArray[Any]:
    if pixels.dtype == np.bool_:
        return ~pixels
    if not np.issubdtype(pixels.dtype, np.unsignedinteger):
        raise CaseError("unsupported", f"TIFF with white as zero in {pixels.dtype}")
    inverted: NDArray[Any] = 2**bits - 1 - pixels
    return inverted


def _orientation(page: tifffile.TiffPage) -> int | None:
    value = page.tags.valueof(_ORIENTATION)
    return int(value) if value is not None else None
