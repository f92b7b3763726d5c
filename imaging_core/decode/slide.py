"""A Slide: what decoders of whole slides give, how models look at it, and a small picture of all of it.

A decoder gives levels and pixels as the file has them; which level a model sees, and in which tiles, is decided in
:mod:`imaging_core.decode.tiles`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

WHITE = 255
"""What lies outside a slide, and where it has no pixels."""

MPP_RANGE = 0.01, 100.0
"""Micrometres per pixel of any microscope; what is outside is a printer's resolution, or damage."""

_BLOCK = 2048
"""Rows and columns that are read at once for a small picture."""


@dataclass(frozen=True, slots=True)
class Tiles:
    """The tiles of slides that a model sees; part of its card.

    Attributes:
        size: height and width of what the model takes.
        overlap: of neighbours along each side, in [0, 1).
        mpp: micrometres per pixel at which it sees slides; None: it sees ``level``, whatever that is.
        tolerance: a level whose pixels differ from ``mpp`` by at most this part of it is taken as it is.
        level: which level is seen, from 0, without ``mpp``.
        tissue: ``otsu`` leaves out tiles without tissue, ``off`` sees all.
    """

    size: tuple[int, int]
    overlap: float
    mpp: float | None
    tolerance: float = 0.1
    level: int = 0
    tissue: Literal["otsu", "off"] = "otsu"


@dataclass(frozen=True, slots=True)
class TileGrid:
    """How the tiles that a model sees lie on the level of a slide that they are cut from.

    Attributes:
        rows: where tiles begin, from the top, in pixels of the level; before 0 when the slide is smaller than a tile.
        columns: the same from the left.
        extent: height and width of a tile in pixels of the level.
        scale: how many pixels of level 0 a pixel of this level is, down and across.
        mpp: micrometres per pixel of this level, down and across; None where the slide does not say.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    extent: tuple[int, int]
    scale: tuple[float, float]
    mpp: tuple[float, float] | None


class Slide(Protocol):
    """An opened slide. Reading is safe from every thread."""

    @property
    def levels(self) -> tuple[tuple[int, int], ...]:
        """Height and width of each level in pixels, the full size first, then ever smaller."""
        ...

    @property
    def mpp(self) -> tuple[float, float] | None:
        """Micrometres per pixel of level 0, down and across; None where the file does not say."""
        ...

    def read(self, level: int, row: int, column: int, height: int, width: int) -> NDArray[np.uint8]:
        """Pixels of a level, height x width x 3, RGB; white where there are none.

        Args:
            level: from 0.
            row: of the upper left pixel, in pixels of this level; may lie outside.
            column: the same.
            height: in pixels of this level.
            width: the same.

        Raises:
            CaseError: they cannot be read or decoded.
        """
        ...


def plausible(mpp: Iterable[float]) -> bool:
    """Whether these are micrometres per pixel of a microscope; False of what is not a number."""
    low, high = MPP_RANGE
    return all(low <= each <= high for each in mpp)


def overview(slide: Slide, most: int) -> NDArray[np.uint8]:
    """The whole slide, height x width x 3, RGB, averaged down by a whole number to at most ``most`` pixels a side.

    It is made of the smallest level that is large enough, a block at a time.
    """
    level = max((number for number, size in enumerate(slide.levels) if max(size) >= most), default=0)
    height, width = slide.levels[level]
    factor = -(-max(height, width) // most)
    made = np.empty((-(-height // factor), -(-width // factor), 3), np.uint8)
    step = factor * max(1, _BLOCK // factor)
    for row in range(0, height, step):
        for column in range(0, width, step):
            block = slide.read(level, row, column, min(step, height - row), min(step, width - column))
            small = reduced(block, factor)
            top, left = row // factor, column // factor
            made[top : top + small.shape[0], left : left + small.shape[1]] = small
    return made


def reduced(pixels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Height x width x channels by a whole number smaller, rounded up: the mean of the pixels that there are."""
    if factor == 1:
        return pixels
    height, width = pixels.shape[:2]
    rows, columns = np.arange(0, height, factor), np.arange(0, width, factor)
    sums: NDArray[Any] = np.add.reduceat(np.add.reduceat(pixels.astype(np.uint32), rows, 0), columns, 1)
    counts = np.outer(np.minimum(factor, height - rows), np.minimum(factor, width - columns))[..., None]
    means: NDArray[np.uint8] = ((sums + counts // 2) // counts).astype(np.uint8)
    return means
