"""Whole slides: which files are slides, and what reads them.

A TIFF whose first page is tiled is a slide where the model sees slides, and so is what OpenSlide knows by its vendor.
TIFF in strips stays an image.
"""

from collections.abc import Sequence

import numpy as np

from imaging_core.decode import tiff
from imaging_core.decode.case import Case, CaseError, Limits, Planes
from imaging_core.decode.raster import RasterDecoder
from imaging_core.decode.reading import Role, read_head, store_failures
from imaging_core.decode.slide import Slide
from imaging_core.decode.slide_openslide import OpenSlideFile
from imaging_core.decode.slide_tiff import NotTiledError, TiffSlide, TiledTiff
from imaging_core.store.base import Source

_ZEISS, _SAKURA = b"ZISRAWFILE", b"SQLite format 3\0"
_DICOM = slice(128, 132), b"DICM"

_IMAGE = RasterDecoder(tiff)


class SlideDecoder:
    """Opens slides."""

    name = "slide"
    suffixes = frozenset({".svs", ".tif", ".tiff", ".btf", ".ndpi", ".scn", ".bif", ".czi", ".svslide"})
    whole = False

    def recognises(self, head: bytes) -> bool:
        """Whether the file may be a slide: TIFF, which some vendors' formats are, Zeiss's or Sakura's."""
        where, what = _DICOM
        return (tiff.recognises(head) and head[where] != what) or head.startswith((_ZEISS, _SAKURA))

    def decode(self, sources: Sequence[Source], channels: int, limits: Limits) -> Case | Slide:
        """The opened slide; a TIFF that is none as an image."""
        if len(sources) > 1:
            return _IMAGE.decode(sources, channels, limits)
        (source,) = sources
        if not tiff.recognises(read_head(source, limits)):
            return OpenSlideFile(source, limits)
        try:
            tiled = open_tiled(source, limits)
        except NotTiledError as error:
            if error.vendor is not None:
                return OpenSlideFile(source, limits)
        else:
            if tiled.dtype == np.uint8:
                return TiffSlide(tiled)
        return _IMAGE.decode(sources, channels, limits)

    def mask(self, source: Source, limits: Limits, *, indices: bool) -> Planes:
        """The mask of one file, all of it: for images; masks of slides are read in pieces."""
        if not tiff.recognises(read_head(source, limits, "mask")):
            raise CaseError("mask_unreadable", "a slide's mask is a TIFF or an image, no file of a scanner")
        return _IMAGE.mask(source, limits, indices=indices)


def open_tiled(source: Source, limits: Limits, role: Role = "image") -> TiledTiff:
    """A tiled TIFF, to be read in pieces; NotTiledError when it is none, CaseError when it is damaged."""
    with store_failures(source.location, role, limits):
        file = source.open(limits.encoded_bytes)
    return TiledTiff(file, source.location, role, limits)


SLIDE = SlideDecoder()
