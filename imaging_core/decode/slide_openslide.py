"""Slides of every vendor that OpenSlide reads from one file: Hamamatsu NDPI, Leica SCN, Philips TIFF, Ventana BIF.

OpenSlide wants a file on a disk; a remote one is spooled there while it is read.
"""

from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.reading import store_failures
from imaging_core.store.base import Source

if TYPE_CHECKING:
    from openslide import OpenSlide


class OpenSlideFile:
    """A slide that OpenSlide reads; see :class:`imaging_core.decode.slide.Slide`.

    Args:
        source: the file.
        limits: what it may cost.

    Raises:
        CaseError: unsupported when OpenSlide does not know it, unreadable when it is damaged.
    """

    def __init__(self, source: Source, limits: Limits) -> None:
        import openslide  # a shared library, which runs without slides need not load

        self._failures = openslide.OpenSlideError
        self._resources = ExitStack()
        with store_failures(source.location, "image", limits):
            path = self._resources.enter_context(source.path(limits.encoded_bytes))
        try:
            self._slide: OpenSlide = self._resources.enter_context(openslide.OpenSlide(path))
        except openslide.OpenSlideUnsupportedFormatError as error:
            raise CaseError("unsupported", "a slide that OpenSlide does not read") from error
        except openslide.OpenSlideError as error:
            raise _damaged() from error
        self.levels = tuple((height, width) for width, height in self._slide.level_dimensions)
        self.mpp = self._mpp()

    def read(self, level: int, row: int, column: int, height: int, width: int) -> NDArray[np.uint8]:
        """Pixels of a level, height x width x 3, RGB; white where there are none."""
        times = self._slide.level_downsamples[level]
        try:
            region = self._slide.read_region((round(column * times), round(row * times)), level, (width, height))
        except self._failures as error:
            raise _damaged() from error
        white = Image.new("RGB", region.size, "white")
        white.paste(region, mask=region.getchannel("A"))
        return np.asarray(white)

    def _mpp(self) -> tuple[float, float] | None:
        try:
            mpp = float(self._slide.properties["openslide.mpp-y"]), float(self._slide.properties["openslide.mpp-x"])
        except (KeyError, ValueError):
            return None
        return mpp if min(mpp) > 0 and np.isfinite(mpp).all() else None


def _damaged() -> CaseError:
    return CaseError("unreadable", "the slide is truncated or damaged")
