"""Drawn slides (4,096 x 4,096 pixels at 0.5 micrometres) with tumours that are known, and tiles to learn from.

Nuclei on pink tissue on white glass. Those of tumours are larger, darker and closer together, which is all that tells
them. No patient was ever seen, and a model that learned from these is of no use on others.
"""

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from examples.dataset_file import write_dataset, write_png

MPP = 0.5
SIDE = 4096
TRAINING, TEST = range(4), range(4, 8)
TILE = 128
TILES_OF_A_SLIDE = 60
"""Tiles of each training slide, at 1 micrometre per pixel; about half of them have some tumour."""

_GLASS, _TISSUE, _NUCLEUS, _TUMOUR = (244, 243, 246), (231, 178, 207), (126, 84, 158), (92, 52, 130)


def write_slides(folder: Path) -> tuple[Path, Path]:
    """Write slides, masks and tiles, with ``tiles.yml`` and ``slides.yml``; returns their paths. The same bytes always.

    Of the slides for testing the last one has no tumour.
    """
    tiles: list[dict[str, str]] = []
    split: dict[str, list[int]] = {"training": [], "validation": []}
    for number in TRAINING:
        part = "validation" if number == TRAINING[-1] else "training"
        for each in _write_tiles(folder, number):
            split[part].append(len(tiles))
            tiles.append(each)
    learned = folder / "tiles.yml"
    write_dataset(learned, "tiles of drawn slides", "Tiles of drawn slides: no patient was ever seen", tiles, split)
    slides = []
    for number in TEST:
        pixels, tumour = draw(number, tumours=number != TEST[-1])
        slide, mask = f"slides/{number}.tif", f"masks/{number}.tif"
        write_pyramid(folder / slide, pixels)
        write_pyramid(folder / mask, tumour.astype(np.uint8) * np.uint8(255))
        slides.append({"location": slide, "label": mask})
    tested = folder / "slides.yml"
    write_dataset(
        tested, "drawn slides", "Drawn slides: no patient was ever seen", slides, {"test": range(len(slides))}
    )
    return learned, tested


def draw(number: int, *, tumours: bool = True, side: int = SIDE) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A slide, side x side x 3, RGB, and which of its pixels are tumour."""
    random = np.random.default_rng(number)
    coarse = 64
    field = _smooth(random, coarse, 6)
    rows, columns = (np.mgrid[0:coarse, 0:coarse] + 0.5) / coarse - 0.5
    tissue = _enlarged(0.36 + 0.08 * field - np.hypot(rows, columns), side) > 0
    growth = _smooth(random, coarse, 9) - 1.1 + 2.2 * (0.2 - np.hypot(rows, columns)).clip(min=-0.2)
    tumour = (_enlarged(growth, side) > -0.35) & tissue if tumours else np.zeros((side, side), np.bool_)

    pixels = np.empty((side, side, 3), np.float32)
    pixels[:] = _GLASS
    shade = _enlarged(_smooth(random, 4 * coarse, 12), side)[..., None]
    pixels[tissue] = (np.array(_TISSUE, np.float32) + 7 * shade)[tissue]
    for inside, colour, radius, step in ((tissue & ~tumour, _NUCLEUS, 5, 26), (tumour, _TUMOUR, 9, 22)):
        pixels[_nuclei(random, inside, radius, step)] = colour
    pixels += random.standard_normal((side, side, 1), np.float32) * 4
    return pixels.round().clip(0, 255).astype(np.uint8), tumour


def write_pyramid(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write a pyramid of four levels, half as large each; colours as JPEG, masks without loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = pixels.ndim == 3
    with tifffile.TiffWriter(path) as writer:
        for level in range(4):
            step = 2**level
            reduced = np.asarray(Image.fromarray(pixels).reduce(step)) if colour and level else pixels[::step, ::step]
            writer.write(
                reduced,
                tile=(256, 256),
                photometric="rgb" if colour else "minisblack",
                compression="jpeg" if colour else "zlib",
                compressionargs={"level": 90} if colour else {},
                subfiletype=int(level > 0),
                resolution=(10_000 / (MPP * step), 10_000 / (MPP * step)),
                resolutionunit="CENTIMETER",
                metadata=None,
                software=False,
            )


def _write_tiles(folder: Path, number: int) -> list[dict[str, str]]:
    pixels, tumour = draw(number)
    random = np.random.default_rng(1000 + number)
    small = np.asarray(Image.fromarray(pixels).reduce(2))
    masks = tumour[::2, ::2]
    entries: list[dict[str, str]] = []
    while len(entries) < TILES_OF_A_SLIDE:
        row, column = random.integers(0, SIDE // 2 - TILE, 2)
        here = slice(row, row + TILE), slice(column, column + TILE)
        if masks[here].any() != (len(entries) % 2 == 0) or small[here].mean() > 235:
            continue
        image, mask = f"tiles/{number}-{len(entries):03d}.png", f"tile masks/{number}-{len(entries):03d}.png"
        write_png(folder / image, small[here])
        write_png(folder / mask, masks[here].astype(np.uint8) * np.uint8(255))
        entries.append({"location": image, "label": mask})
    return entries


def _nuclei(random: np.random.Generator, inside: NDArray[np.bool_], radius: int, step: int) -> NDArray[np.bool_]:
    """Discs about every ``step`` pixels, where their middle is inside."""
    side = len(inside)
    centres = np.mgrid[step : side - step : step, step : side - step : step].reshape(2, -1).T
    centres = centres + random.integers(-step // 3, step // 3 + 1, centres.shape)
    centres = centres[inside[centres[:, 0], centres[:, 1]]]
    made = np.zeros_like(inside)
    for down, across in (
        np.argwhere(np.hypot(*(np.mgrid[-radius : radius + 1, -radius : radius + 1])) <= radius) - radius
    ):
        made[(centres[:, 0] + down).clip(0, side - 1), (centres[:, 1] + across).clip(0, side - 1)] = True
    return made


def _smooth(random: np.random.Generator, side: int, blobs: int) -> NDArray[np.float32]:
    """A smooth random field of about ``blobs`` blobs a side, mean 0 and deviation 1."""
    field = np.asarray(
        Image.fromarray(random.standard_normal((blobs, blobs), np.float32)).resize(
            (side, side), Image.Resampling.BICUBIC
        )
    )
    smooth: NDArray[np.float32] = (field - field.mean()) / field.std()
    return smooth


def _enlarged(field: NDArray[np.floating], side: int) -> NDArray[np.float32]:
    picture = Image.fromarray(field.astype(np.float32))
    return np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC))
