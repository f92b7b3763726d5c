"""How a slide is cut into the tiles that a model sees.

The level is chosen by micrometres per pixel: one whose pixels are the model's within the card's tolerance, else the
next finer one, from which larger tiles are cut that the model's preprocessing resizes; else level 0. Tiles begin every
``int(side * (1 - overlap))`` pixels of the level, the last one at the end; outside the slide is white.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from imaging_core.decode.case import Case, CaseError, Limits, ModelInput, Place, Planes
from imaging_core.decode.patches import starts
from imaging_core.decode.raster import as_channels
from imaging_core.decode.slide import Slide, TileGrid, Tiles, overview
from imaging_core.decode.tissue import tissue

OVERVIEW = 2048
"""Longer side of the picture in which tissue is looked for, at most, in pixels."""

MOST_STRETCHED = 4.0
"""A slide that is coarser than what the model sees by more than this factor is no slide for it."""

MOST_CUT = 2**26
"""Pixels of a level that a tile is cut from, to be resized to what the model sees: 8,192 x 8,192."""

AHEAD = 2
"""Tiles for each worker that are read before they are asked for."""


def cut(slide: Slide, channels: int, tiles: Tiles, workers: int = 1) -> Case:
    """The tiles of a slide as the model looks at it, row by row.

    Args:
        slide: opened.
        channels: what the model wants: 1 grey, 3 RGB.
        tiles: the model's.
        workers: so many threads read tiles; the result does not depend on it.

    Raises:
        CaseError: unsupported when the slide does not say its micrometres per pixel and the model wants them, is far
            too coarse or too fine for the model, or lacks the level it wants. While the inputs are made: pixels cannot
            be read.
    """
    level, grid = lay(slide, tiles)
    height, width = grid.extent
    looked_at = _seen(slide, level, grid, tiles)
    places = [(grid.rows[row], grid.columns[column]) for row, column in np.argwhere(looked_at)]

    def tile(offset: tuple[int, int]) -> ModelInput:
        pixels = slide.read(level, *offset, height, width)
        return ModelInput(as_channels(Planes(pixels, colour=True), channels, Limits()), Place(offset, grid.extent))

    def inputs() -> Iterator[ModelInput]:
        if workers == 1:
            yield from map(tile, places)
            return
        with ThreadPoolExecutor(workers) as pool:
            waiting = iter(places)
            under_way = deque(pool.submit(tile, place) for place in islice(waiting, AHEAD * workers))
            try:
                while under_way:
                    done = under_way.popleft()
                    under_way.extend(pool.submit(tile, place) for place in islice(waiting, 1))
                    yield done.result()
            finally:
                _cancel(under_way)

    return Case(slide.levels[level], len(places), inputs(), tiles=grid)


def lay(slide: Slide, tiles: Tiles) -> tuple[int, TileGrid]:
    """The level that the model sees, and how its tiles lie on it; raises as :func:`cut`."""
    level, times = _level(slide, tiles)
    (full_height, full_width), (height, width) = slide.levels[0], slide.levels[level]
    extent = max(1, round(tiles.size[0] * times[0])), max(1, round(tiles.size[1] * times[1]))
    if max(times) > 1 and extent[0] * extent[1] > MOST_CUT:
        raise CaseError(
            "unsupported",
            f"the slide is far finer than what the model sees, and has no level in between: a tile would be cut from "
            f"{extent[0]:,} x {extent[1]:,} pixels",
        )
    rows, columns = (
        tuple(starts(side, tile, tiles.overlap)) for side, tile in zip((height, width), extent, strict=True)
    )
    scale = full_height / height, full_width / width
    mpp = None if slide.mpp is None else (slide.mpp[0] * scale[0], slide.mpp[1] * scale[1])
    return level, TileGrid(rows, columns, extent, scale, mpp)


def _level(slide: Slide, tiles: Tiles) -> tuple[int, tuple[float, float]]:
    """The level, and how many of its pixels one pixel of the model's is, down and across."""
    if tiles.mpp is None:
        if tiles.level >= len(slide.levels):
            raise CaseError(
                "unsupported", f"the model sees level {tiles.level}, the slide has levels 0 to {len(slide.levels) - 1}"
            )
        return tiles.level, (1.0, 1.0)
    if slide.mpp is None:
        raise CaseError(
            "unsupported",
            "the slide does not say its micrometres per pixel, and the model wants them; write them into the file, or "
            "take a bundle packed with --mpp none, which sees a level by its number",
        )
    if max(slide.mpp) > MOST_STRETCHED * tiles.mpp:
        raise CaseError(
            "unsupported",
            f"the slide's pixels are {max(slide.mpp):.4g} micrometres wide, those that the model sees {tiles.mpp:.4g}",
        )
    full_height, full_width = slide.levels[0]
    times = [
        (tiles.mpp / (slide.mpp[0] * full_height / height), tiles.mpp / (slide.mpp[1] * full_width / width))
        for height, width in slide.levels
    ]
    fitting = {number: max(abs(1 / each - 1) for each in both) for number, both in enumerate(times)}
    best = min(fitting, key=fitting.__getitem__)
    if fitting[best] <= tiles.tolerance:
        return best, (1.0, 1.0)
    finer = [number for number, both in enumerate(times) if min(both) >= 1]
    level = finer[-1] if finer else 0
    return level, times[level]


def _seen(slide: Slide, level: int, grid: TileGrid, tiles: Tiles) -> NDArray[np.bool_]:
    """Rows x columns of tiles: which have any tissue."""
    shape = len(grid.rows), len(grid.columns)
    if tiles.tissue == "off":
        return np.ones(shape, np.bool_)
    found = tissue(overview(slide, OVERVIEW))
    sums = np.pad(found.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    top, bottom = _cells(grid.rows, grid.extent[0], slide.levels[level][0], found.shape[0])
    left, right = _cells(grid.columns, grid.extent[1], slide.levels[level][1], found.shape[1])
    inside = (
        sums[np.ix_(bottom, right)] - sums[np.ix_(top, right)] - sums[np.ix_(bottom, left)] + sums[np.ix_(top, left)]
    )
    return np.asarray(inside > 0)


def _cells(begins: tuple[int, ...], extent: int, side: int, cells: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first cell that each tile touches along one side, and the one after its last."""
    begin = np.maximum(np.array(begins, np.int64), 0)
    end = np.minimum(np.array(begins, np.int64) + extent, side)
    return begin * cells // side, -(-end * cells // side)


def _cancel(futures: Iterable["Future[ModelInput]"]) -> None:
    for future in futures:
        future.cancel()
