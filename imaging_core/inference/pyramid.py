"""A mask of a slide as a pyramidal tiled TIFF, written as its rows come: OpenSlide and QuPath open it. Torch-free.

Each level is half of the one before it, by every other pixel. Compressed tiles wait in a temporary file, so that memory
holds a row of tiles for each level. The same rows give the same bytes.
"""

import tempfile
from collections.abc import Iterator
from typing import BinaryIO

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

TILE = 512
_ZLIB_LEVEL = 2
_CLASSIC = 2**32 - 2**25
"""Longer files are BigTIFF."""


class Pyramid:
    """A mask under way.

    Args:
        size: height and width in pixels.
        mpp: micrometres per pixel, down and across; None where they are not known.
    """

    def __init__(self, size: tuple[int, int], mpp: tuple[float, float] | None) -> None:
        self._mpp = mpp
        self._spool: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is finished
        self._levels = [_Level(size)]
        while max(self._levels[-1].size) > TILE:
            height, width = self._levels[-1].size
            self._levels.append(_Level((-(-height // 2), -(-width // 2))))

    def add(self, rows: NDArray[np.uint8]) -> None:
        """The next rows, any number x width."""
        for level in self._levels:
            first = level.rows
            for tiles in level.take(rows):
                for tile in tiles:
                    packed = bytes(imagecodecs.zlibng_encode(tile, _ZLIB_LEVEL))  # type: ignore[arg-type]
                    level.places.append((self._spool.tell(), len(packed)))
                    self._spool.write(packed)
            rows = rows[first % 2 :: 2, ::2]

    def finish(self) -> "tempfile._TemporaryFileWrapper[bytes]":
        """The file, when all rows have come; it is removed when it is closed, or nobody holds it any more."""
        if any(level.rows != level.size[0] for level in self._levels):
            raise ValueError("rows are missing")
        length = self._spool.tell()
        file = tempfile.NamedTemporaryFile(suffix=".tif")  # noqa: SIM115 - the caller's
        with tifffile.TiffWriter(file.name, bigtiff=length > _CLASSIC) as writer:
            for number, level in enumerate(self._levels):
                writer.write(
                    self._packed(level),
                    shape=level.size,
                    dtype=np.uint8,
                    tile=(TILE, TILE),
                    photometric="minisblack",
                    compression="zlib",
                    subfiletype=1 if number else 0,
                    metadata=None,
                    software=False,
                    resolution=self._resolution(level),
                    resolutionunit="NONE" if self._mpp is None else "CENTIMETER",
                )
        self._spool.close()
        return file

    def _packed(self, level: "_Level") -> Iterator[bytes]:
        for offset, length in level.places:
            self._spool.seek(offset)
            yield self._spool.read(length)

    def _resolution(self, level: "_Level") -> tuple[float, float]:
        if self._mpp is None:
            return 1.0, 1.0
        down, across = (
            10_000 / (mpp * full / side)
            for mpp, full, side in zip(self._mpp, self._levels[0].size, level.size, strict=True)
        )
        return across, down


class _Level:
    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.places: list[tuple[int, int]] = []
        self.rows = 0
        self._band = np.zeros((TILE, -(-size[1] // TILE) * TILE), np.uint8)

    def take(self, rows: NDArray[np.uint8]) -> Iterator[list[NDArray[np.uint8]]]:
        """The tiles of each row of tiles that becomes complete; the last one is when the image ends."""
        while len(rows):
            begin = self.rows % TILE
            count = min(TILE - begin, len(rows))
            self._band[begin : begin + count, : self.size[1]] = rows[:count]
            self.rows, rows = self.rows + count, rows[count:]
            if self.rows % TILE == 0 or self.rows == self.size[0]:
                yield [
                    np.ascontiguousarray(self._band[:, left : left + TILE])
                    for left in range(0, self._band.shape[1], TILE)
                ]
                self._band[:] = 0
