"""Slides of every vendor that OpenSlide reads from one file: Hamamatsu NDPI, Leica SCN, Philips TIFF, Ventana BIF.

OpenSlide wants a file on a disk; a remote one is spooled there while it is read. It works in processes of its own:
:mod:`imaging_core.decode.openslide_process`.
"""

from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from imaging_core.decode.case import Limits
from imaging_core.decode.openslide_process import OpenSlideProcesses
from imaging_core.decode.reading import store_failures
from imaging_core.decode.slide import plausible
from imaging_core.store.base import Source


class OpenSlideFile:
    """A slide that OpenSlide reads; see :class:`imaging_core.decode.slide.Slide`.

    Args:
        source: the file.
        limits: what it may cost.

    Raises:
        CaseError: unsupported when OpenSlide does not know it, unreadable when it is damaged or crashes OpenSlide.
    """

    def __init__(self, source: Source, limits: Limits) -> None:
        self._resources = ExitStack()
        with store_failures(source.location, "image", limits):
            path = self._resources.enter_context(source.path(limits.encoded_bytes))
        self._slide = OpenSlideProcesses(path)
        sizes, self._times, mpp = self._slide.said
        self.levels = tuple((height, width) for width, height in sizes)
        self.mpp = _mpp(mpp)

    def read(self, level: int, row: int, column: int, height: int, width: int) -> NDArray[np.uint8]:
        """Pixels of a level, height x width x 3, RGB; white where there are none."""
        times = self._times[level]
        pixels = self._slide.read(round(column * times), round(row * times), level, width, height)
        return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)


def _mpp(said: list[str | None]) -> tuple[float, float] | None:
    try:
        down, across = (float(each or "nan") for each in said)
    except ValueError:
        return None
    return (down, across) if plausible((down, across)) else None
