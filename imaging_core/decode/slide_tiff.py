"""Slides in tiled TIFF and BigTIFF (generic, Aperio SVS), their tiles taken directly: tifffile and imagecodecs.

The pixels are OpenSlide's to the last bit, for all compressions that it reads, at several times its speed. Reading
goes by ranges, so that nothing is spooled. Other vendors' files, which want more knowledge, are OpenSlide's:
:mod:`imaging_core.decode.slide_openslide`.
"""

import math
import re
import threading
from collections import OrderedDict
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.reading import Role, codec_failures, store_failures
from imaging_core.decode.slide import WHITE, plausible
from imaging_core.decode.tiff_directories import check_numbers
from imaging_core.store import Location

MOST_PAGES = 1024
LARGEST_TILE = 2**24
"""Pixels of a tile as it is stored; a decompression bomb has more."""

LONGEST_SIDE = 2**21
"""Pixels; scanners stay below half a million."""

KEPT_BYTES = 256 * 1024 * 1024
"""Decoded tiles that are kept, since neighbours overlap: a few rows of a slide of 100,000 pixels."""

_MICROMETRES = {2: 25_400.0, 3: 10_000.0}
"""Code of a unit of resolution (inch, centimetre) to micrometres."""

_APERIO_MPP = re.compile(r"MPP *= *([0-9.]+)")
_NDPI, _XMP, _SOFTWARE, _SPLIT_UNIT = 65420, 700, 305, 296
_DIRECT = {None, "aperio"}
_FULL_COLOUR = {tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR}
_GREY = {tifffile.PHOTOMETRIC.MINISBLACK}
_TYPES = {np.dtype(np.uint8), np.dtype(np.uint16)}


class TiledTiff:
    """A tiled TIFF, read in pieces.

    Args:
        file: seekable, read by nobody else.
        location: where it comes from, for what its store says.
        role: what it is.
        limits: what it may cost.

    Attributes:
        levels: height and width of each level.
        samples: values of a pixel.
        dtype: their type.
        mpp: micrometres per pixel of level 0, down and across.

    Raises:
        CaseError: it is damaged, or too large.
        NotTiledError: it is no file of this kind.
    """

    def __init__(self, file: BinaryIO, location: Location, role: Role, limits: Limits) -> None:
        self._file, self._role, self._limits, self._location = file, role, limits, location
        self._reading, self._keeping = threading.Lock(), threading.Lock()
        self._kept: OrderedDict[tuple[int, int], NDArray[Any]] = OrderedDict()
        self._kept_bytes = 0
        with store_failures(location, role, limits), codec_failures("TIFF", role):
            check_numbers(file)
            self._tiff = tifffile.TiffFile(file, _multifile=False)
            vendor, pages = _pages(self._tiff)
            direct = vendor in _DIRECT and pages and _is_read_here(pages[0])
            if vendor is not None and not direct:
                _check_for_openslide(self._tiff)
        if not direct:
            raise NotTiledError(vendor)
        with codec_failures("TIFF", role):
            first = pages[0]
            self._pages = _pyramid([page for page in pages if _is_like(page, first)])
            for page in self._pages:
                _check(page)
            self._decoders = [
                (page.decode, page.jpegtables) for page in self._pages
            ]  # nothing is read by tifffile later
            self.levels = tuple((page.imagelength, page.imagewidth) for page in self._pages)
            self.samples, self.dtype = first.samplesperpixel, np.dtype(first.dtype)
            self.mpp = _mpp(first, vendor)

    def read(self, level: int, row: int, column: int, height: int, width: int, outside: int = 0) -> NDArray[Any]:
        """Values as they are stored (of JPEG as RGB), height x width x samples; ``outside`` where there are none."""
        page = self._pages[level]
        made = np.full((height, width, self.samples), outside, self.dtype)
        tall, wide = page.tilelength, page.tilewidth
        across = -(-page.imagewidth // wide)
        bottom, right = min(row + height, page.imagelength), min(column + width, page.imagewidth)
        for down in range(max(row, 0) // tall, -(-bottom // tall)):
            for along in range(max(column, 0) // wide, -(-right // wide)):
                tile = self._tile(level, down * across + along)
                if tile is None:
                    continue
                top, left = down * tall, along * wide
                begin, end = max(row, top), min(bottom, top + tile.shape[0])
                first, last = max(column, left), min(right, left + tile.shape[1])
                made[begin - row : end - row, first - column : last - column] = tile[
                    begin - top : end - top, first - left : last - left
                ]
        return made

    def _tile(self, level: int, index: int) -> NDArray[Any] | None:
        """One decoded tile without what lies beyond the image; None when the file leaves it out."""
        key = level, index
        with self._keeping:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        page = self._pages[level]
        data = self._bytes(page.dataoffsets[index], page.databytecounts[index])
        if data is None:
            return None
        with codec_failures("slide", self._role):
            decode, tables = self._decoders[level]
            decoded, _, (_, height, width, _) = decode(data, index, jpegtables=tables)
            if decoded is None:
                return None
            tile: NDArray[Any] = decoded[0, :height, :width]
            if tile.shape != (height, width, self.samples) or tile.dtype != self.dtype:
                raise ValueError("a tile of another shape")
        with self._keeping:
            if key not in self._kept:
                self._kept[key] = tile
                self._kept_bytes += decoded.nbytes
            while self._kept_bytes > KEPT_BYTES and len(self._kept) > 1:
                _, old = self._kept.popitem(last=False)
                self._kept_bytes -= old.nbytes if old.base is None else old.base.nbytes
        return tile

    def _bytes(self, offset: int, count: int) -> bytes | None:
        if not (offset and count):
            return None
        if min(offset, count) < 0 or offset + count > self._tiff.filehandle.size:
            raise _truncated()
        with store_failures(self._location, self._role, self._limits), self._reading:
            self._file.seek(offset)
            data = self._file.read(count)
        if len(data) < count:
            raise _truncated()
        return data


class TiffSlide:
    """A slide whose tiles are taken directly; see :class:`imaging_core.decode.slide.Slide`."""

    def __init__(self, tiff: TiledTiff) -> None:
        self._tiff = tiff
        self.levels, self.mpp = tiff.levels, tiff.mpp

    def read(self, level: int, row: int, column: int, height: int, width: int) -> NDArray[np.uint8]:
        """Pixels of a level, height x width x 3, RGB; white where there are none."""
        stored = self._tiff.read(level, row, column, height, width, WHITE)
        return np.repeat(stored, 3, axis=2) if self._tiff.samples == 1 else stored


class NotTiledError(Exception):
    """A TIFF that is not read here; ``vendor`` says whose slide it is, None of a file that may be a plain image."""

    def __init__(self, vendor: str | None) -> None:
        super().__init__(vendor)
        self.vendor = vendor


def _truncated() -> CaseError:
    return CaseError("unreadable", "the TIFF data is truncated: a tile lies beyond its end")


def _other_number() -> CaseError:
    return CaseError("unreadable", "the TIFF headers contradict each other: the slide has another number of tiles")


def _pages(tiff: tifffile.TiffFile) -> tuple[str | None, list[tifffile.TiffPage]]:
    """Whose slide it is, and the tiled pages that may be its levels."""
    first = tiff.pages.first
    vendor = _vendor(first)
    pages = []
    for number, each in enumerate(tiff.pages):
        if number >= MOST_PAGES:
            raise CaseError("too_large", f"the TIFF has more than {MOST_PAGES} pages")
        page = each.aspage()
        if page.is_tiled and (number == 0 or vendor == "aperio" or page.is_reduced):
            pages.append(page)
        elif number == 0:
            break
    if pages and first.subifds and first.pages is not None:  # as OME-TIFF has them
        pages += [page for page in (each.aspage() for each in first.pages[:MOST_PAGES]) if page.is_tiled]
    return vendor, pages


def _vendor(page: tifffile.TiffPage) -> str | None:
    """The maker of a slide whose files say so; None of a generic one."""
    description, software = page.description, str(page.tags.valueof(_SOFTWARE, ""))
    if description.startswith("Aperio"):
        return "aperio"
    if page.tags.get(_NDPI) is not None:
        return "hamamatsu"
    if software.startswith("Philips"):
        return "philips"
    if software.startswith("MedScan"):
        return "trestle"
    if "leica-microsystems.com/scn" in description:
        return "leica"
    if b"iScan" in bytes(page.tags.valueof(_XMP, b"") or b""):
        return "ventana"
    return None


def _is_read_here(page: tifffile.TiffPage) -> bool:
    """Whether tifffile gives what OpenSlide would: colours as RGB, or grey, interleaved."""
    colours = page.photometric in _FULL_COLOUR and page.samplesperpixel == 3 and page.dtype == np.uint8
    grey = page.photometric in _GREY and page.samplesperpixel == 1 and page.dtype in _TYPES
    return (
        (colours or grey)
        and page.planarconfig == 1
        and page.imagedepth == 1
        and page.compression in tifffile.TIFF.DECOMPRESSORS
        and not (page.photometric == tifffile.PHOTOMETRIC.YCBCR and not _separates_colours(page))
    )


def _separates_colours(page: tifffile.TiffPage) -> bool:
    name = tifffile.COMPRESSION(page.compression).name
    return "JPEG" in name or "JP2000" in name


def _is_like(page: tifffile.TiffPage, first: tifffile.TiffPage) -> bool:
    return page is first or (
        _is_read_here(page) and (page.samplesperpixel, page.dtype) == (first.samplesperpixel, first.dtype)
    )


def _pyramid(pages: list[tifffile.TiffPage]) -> list[tifffile.TiffPage]:
    """The first page and those of its shape that are smaller, the larger ones first."""
    first = pages[0]
    kept = [first]
    for page in sorted(pages[1:], key=lambda each: -each.imagelength * each.imagewidth):
        down, across = (getattr(first, name) / max(1, getattr(page, name)) for name in ("imagelength", "imagewidth"))
        smaller = 0 < page.imagelength < kept[-1].imagelength and 0 < page.imagewidth <= kept[-1].imagewidth
        if smaller and abs(page.imagelength * across - first.imagelength) <= 1 + max(down, across):
            kept.append(page)
    return kept


def _check(page: tifffile.TiffPage) -> None:
    height, width, tall, wide = page.imagelength, page.imagewidth, page.tilelength, page.tilewidth
    if min(height, width, tall, wide) < 1:
        raise CaseError("unreadable", "the slide has no pixels")
    if max(height, width) > LONGEST_SIDE or tall * wide > LARGEST_TILE:
        raise CaseError("too_large", f"the slide has {height} x {width} pixels in tiles of {tall} x {wide}")
    if not len(page.dataoffsets) == len(page.databytecounts) == _tiles(page):
        raise _other_number()
    if not all(type(each) is int for places in (page.dataoffsets, page.databytecounts) for each in places):
        raise CaseError("unreadable", "the TIFF headers do not say where the tiles lie")


def _tiles(page: tifffile.TiffPage) -> int:
    planes = page.samplesperpixel if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE else 1
    down, across = page.imagelength / max(1, page.tilelength), page.imagewidth / max(1, page.tilewidth)
    return planes * math.ceil(down) * math.ceil(across)


def _check_for_openslide(tiff: tifffile.TiffFile) -> None:
    """Refuse what OpenSlide would ask the system for whole, and end the process when it gets none (GLib does)."""
    for each in tiff.pages:
        page = each.aspage()
        if max(page.imagelength, page.imagewidth) > LONGEST_SIDE or page.tilelength * page.tilewidth > LARGEST_TILE:
            raise CaseError("too_large", "the slide has pages or tiles of too many pixels")
        if page.is_tiled and len(page.databytecounts) != _tiles(page):
            raise _other_number()
        most = min(tiff.filehandle.size, 4 * LARGEST_TILE) if page.is_tiled else tiff.filehandle.size
        if any(type(count) is not int or not 0 <= count <= most for count in page.databytecounts):
            raise _truncated()


def _mpp(page: tifffile.TiffPage, vendor: str | None) -> tuple[float, float] | None:
    if vendor == "aperio":
        found = _APERIO_MPP.search(page.description)
        mpp = [float(found[1])] * 2 if found else []
    else:
        unit = _MICROMETRES.get(int(page.tags.valueof(_SPLIT_UNIT, 1)))
        steps = [page.tags.valueof(name) for name in ("YResolution", "XResolution")]
        mpp = [unit * step[1] / step[0] for step in steps if unit and step and step[0]]
    return (mpp[0], mpp[1]) if len(mpp) == 2 and plausible(mpp) else None
