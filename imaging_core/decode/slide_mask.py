"""Masks of slides, read some rows at a time: a tiled TIFF by its tiles, any other mask format at once."""

import numpy as np
from numpy.typing import NDArray

from imaging_core.decode import tiff
from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.mask import AS_MASK, MaskKind, check_not_black, decode_mask
from imaging_core.decode.reading import read_head
from imaging_core.decode.slide_decoder import open_tiled
from imaging_core.decode.slide_tiff import NotTiledError, TiledTiff
from imaging_core.store.base import Source

_ROWS = 512
"""Rows of the file that are read at once."""


class SlideMask:
    """A mask of a slide. It may be smaller than the slide, in the same proportions: the nearest pixel counts.

    Args:
        source: the file.
        limits: what it may cost; of a tiled TIFF only its length counts.
        kind: what the model's output is: binary (true at half of its type's range), or multiclass (class indices).

    Raises:
        CaseError: as :func:`imaging_core.decode.mask.decode_mask`.
    """

    def __init__(self, source: Source, limits: Limits, kind: MaskKind) -> None:
        self._kind = kind
        self._largest = 0
        self._stored: TiledTiff | NDArray[np.generic] = _open(source, limits, kind)

    @property
    def size(self) -> tuple[int, int]:
        """Its own height and width."""
        height, width = self._stored.levels[0] if isinstance(self._stored, TiledTiff) else self._stored.shape
        return height, width

    def fit(self, size: tuple[int, ...]) -> None:
        """CaseError (mask_size) unless its proportions are those of a slide of this height and width.

        Levels of one slide are rounded to whole pixels, by up to one of the smaller side's.
        """
        (height, width), (full_height, full_width) = self.size, size
        step = max(full_width / width, full_height / height, width / full_width, height / full_height)
        if abs(full_height * width - full_width * height) > max(width, full_width) * (1 + step):
            raise CaseError(
                "mask_size",
                f"the mask has {height} x {width} pixels, the slide {full_height} x {full_width}: other proportions",
            )

    def rows(self, first: int, count: int, size: tuple[int, ...]) -> NDArray[np.generic]:
        """Some rows of the mask at another size, count x width: bool of a binary one, else integers.

        Args:
            first: of these rows, at that size.
            count: how many.
            size: height and width.

        Raises:
            CaseError: they cannot be read.
        """
        (height, width), (full_height, full_width) = self.size, size
        down = (2 * np.arange(first, first + count) + 1) * height // (2 * full_height)
        across = (2 * np.arange(full_width) + 1) * width // (2 * full_width)
        if not isinstance(self._stored, TiledTiff):
            return self._stored[np.ix_(down, across)]
        made = np.empty((count, full_width), np.bool_ if self._kind == "binary" else self._stored.dtype)
        for begin in range(int(down[0]) // _ROWS * _ROWS, int(down[-1]) + 1, _ROWS):
            wanted = np.flatnonzero((down >= begin) & (down < begin + _ROWS))
            if len(wanted):
                top = int(down[wanted[0]])
                made[wanted] = self._values(top, int(down[wanted[-1]]) + 1 - top)[down[wanted] - top][:, across]
        return made

    def check(self) -> None:
        """CaseError (mask_value) when a binary mask, whose rows have all been read, holds class indices."""
        if isinstance(self._stored, TiledTiff) and self._kind == "binary":
            check_not_black(self._largest, self._stored.dtype)

    def _values(self, row: int, count: int) -> NDArray[np.generic]:
        if not isinstance(self._stored, TiledTiff):
            return self._stored[row : row + count]
        try:
            values = self._stored.read(0, row, 0, count, self.size[1])[..., 0]
        except CaseError as error:
            raise _of_mask(error) from error
        if self._kind != "binary":
            return values
        self._largest = max(self._largest, int(values.max(initial=0)))
        return np.asarray(values >= (int(np.iinfo(values.dtype).max) // 2 + 1))


def _open(source: Source, limits: Limits, kind: MaskKind) -> TiledTiff | NDArray[np.generic]:
    try:
        if tiff.recognises(read_head(source, limits, "mask")):
            tiled = open_tiled(source, limits, "mask")
            if tiled.samples == 1:
                return tiled
    except NotTiledError:
        pass
    except CaseError as error:
        raise _of_mask(error) from error
    return decode_mask(source, limits, kind)


def _of_mask(error: CaseError) -> CaseError:
    if error.kind not in AS_MASK:
        return error
    return CaseError("mask_unreadable", f"mask: {error.reason}", temporary=error.temporary)
