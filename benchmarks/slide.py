"""Tiles of a slide per second of a core, ours beside OpenSlide and Pillow in a loop: ``python -m benchmarks.slide``.

A slide of drawn tissue is made, JPEG tiles of 256 x 256 pixels as scanners write them (``--size 100000`` for one of
100,000 x 100,000, about 2 GiB). First all of it goes through what a segmentation does beside its network: read, put
together, written as a pyramid; the peak of memory after a quarter of its tiles is that at the end. Then the same tiles
are read by both in turn, each on one thread; the pixels of some are compared. Prints tiles per second and the ratio,
for tiles of a model as they lie in the file, and for larger ones that overlap.
"""

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import imagecodecs
import numpy as np
import openslide
import tifffile
import torch
from numpy.typing import NDArray

from imaging_core.decode.case import Limits
from imaging_core.decode.registry import decode_sample
from imaging_core.decode.slide import Tiles
from imaging_core.decode.slide_decoder import SLIDE
from imaging_core.decode.tiles import lay
from imaging_core.decode.volume import View
from imaging_core.inference.pyramid import Pyramid
from imaging_core.inference.strip import Strip
from imaging_core.store import Location, open_source

MPP, TILE, DISTINCT, QUALITY, COMPARED = 0.25, 256, 64, 80, 100
LIMITS = Limits(encoded_bytes=2**40)
MODELS = {"256 x 256, side by side": (256, 0.0), "512 x 512, overlapping by a quarter": (512, 0.25)}


def write_slide(path: Path, size: int) -> None:
    """A slide of size x size pixels and its reduced levels; the same tissue over and over."""
    tiles = [_jpeg(number) for number in range(DISTINCT)]
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        level = 0
        while level == 0 or size // 4**level > TILE:
            side = size // 4**level
            across = -(-side // TILE)
            writer.write(
                (tiles[(7 * number + number // across) % DISTINCT] for number in range(across * across)),
                shape=(side, side, 3),
                dtype=np.uint8,
                tile=(TILE, TILE),
                photometric="ycbcr",
                subsampling=(2, 2),
                compression="jpeg",
                subfiletype=int(level > 0),
                resolution=(10_000 / (MPP * 4**level), 10_000 / (MPP * 4**level)),
                resolutionunit="CENTIMETER",
                metadata=None,
            )
            level += 1


def ours(path: Path, side: int, overlap: float) -> Iterator[NDArray[np.generic]]:
    """Tiles of level 0, row by row."""
    view = View(tiles=Tiles((side, side), overlap, MPP, tissue="off"))
    for each in decode_sample([open_source(Location.parse(str(path)))], 3, LIMITS, view=view).inputs:
        yield each.pixels


def theirs(path: Path, side: int, overlap: float) -> Iterator[NDArray[np.generic]]:
    """The same by OpenSlide and Pillow, as scripts do it."""
    slide = openslide.OpenSlide(path)
    opened = SLIDE.decode([open_source(Location.parse(str(path)))], 3, LIMITS)
    _, grid = lay(opened, Tiles((side, side), overlap, MPP))  # type: ignore[arg-type]
    for row in grid.rows:
        for column in grid.columns:
            yield np.asarray(slide.read_region((column, row), 0, (side, side)).convert("RGB"))


def rates(path: Path, side: int, overlap: float, count: int, rounds: int) -> tuple[float, float]:
    """Medians of tiles per second of a core, ours and theirs; AssertionError when their pixels differ."""
    readers = (ours(path, side, overlap), theirs(path, side, overlap))
    for mine, other in islice(zip(*readers, strict=True), COMPARED):
        if not np.array_equal(mine, other):
            raise AssertionError("the pixels differ")
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for reader, speeds in zip(readers, found, strict=True):
            begin = time.process_time()
            for _ in islice(reader, count):
                pass
            speeds.append(count / (time.process_time() - begin))
    return statistics.median(found[0]), statistics.median(found[1])


def through(path: Path) -> tuple[float, float, float]:
    """All of a slide, dark pixels taken for a mask: tiles per second, peak MiB after a quarter and at the end."""
    view = View(tiles=Tiles((TILE, TILE), 0.0, MPP, tissue="off"))
    case = decode_sample([open_source(Location.parse(str(path)))], 3, LIMITS, view=view)
    pyramid = Pyramid(case.size, case.tiles.mpp)  # type: ignore[arg-type, union-attr]
    strip = Strip(case.size, case.tiles, lambda maps: pyramid.add(np.uint8(255) * (maps[0] < 0.5).numpy()))  # type: ignore[arg-type]
    early, begin = 0.0, time.process_time()
    for number, each in enumerate(case.inputs):
        strip.put(torch.from_numpy(each.pixels[..., 1]).float()[None] / 255, each.place)
        if number == case.count // 4:
            early = peak_memory()
    strip.end()
    pyramid.finish().close()
    return case.count / (time.process_time() - begin), early, peak_memory()


def peak_memory() -> float:
    """Of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=20_000, help="of the slide in pixels a side (default: 20000)")
    parser.add_argument("--tiles", type=int, default=400, help="in a round (default: 400)")
    parser.add_argument("--rounds", type=int, default=5, help="of which the median counts (default: 5)")
    parser.add_argument("--folder", type=Path, help="where the slide is made for a while (default: a temporary one)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "slide.tif"
        write_slide(path, options.size)
        print(f"a slide of {options.size:,} x {options.size:,} pixels, {path.stat().st_size / 2**20:,.0f} MiB")
        speed, early, late = through(path)
        print(f"the whole slide, read, put together and written as a mask: {speed:,.0f} tiles/s")
        print(f"peak memory {early:,.0f} MiB after a quarter of the tiles, {late:,.0f} MiB at the end")
        print(f"{'tiles of a model':<38}{'ours':>10}{'OpenSlide':>12}{'ratio':>8}")
        for name, (side, overlap) in MODELS.items():
            count = min(options.tiles, ((options.size // side) ** 2 - COMPARED) // options.rounds)
            mine, other = rates(path, side, overlap, count, options.rounds)
            print(f"{name:<38}{mine:>8,.0f}/s{other:>10,.0f}/s{mine / other:>8.1f}")
    print("the pixels are the same")
    return 0


def _jpeg(number: int) -> bytes:
    random = np.random.default_rng(number)
    tile = np.full((TILE, TILE, 3), (226, 172, 203), np.float32)
    rows, columns = np.mgrid[:TILE, :TILE]
    for row, column in random.integers(0, TILE, (60, 2)):
        tile[np.hypot(rows - row, columns - column) < random.integers(4, 12)] = 110, 66, 146
    tile += random.normal(0, 5, tile.shape)
    return bytes(
        imagecodecs.jpeg8_encode(
            tile.clip(0, 255).astype(np.uint8), QUALITY, colorspace="RGB", outcolorspace="YCBCR", subsampling="420"
        )
    )


if __name__ == "__main__":
    sys.exit(main())
