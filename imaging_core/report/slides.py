"""Slides in the report: the overview, its heat map, and the regions that matter most as the model sees them.

Of a segmentation these are where prediction and truth differ most; of a classification the tiles that speak most
for the class that was said. Masks are read some rows at a time.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from imaging_core.decode.case import Case, CaseError, Limits
from imaging_core.decode.reading import codec_failures, read_head, read_whole
from imaging_core.decode.registry import choose, known_to
from imaging_core.decode.slide import Slide, TileGrid, overview
from imaging_core.decode.slide_mask import SlideMask
from imaging_core.decode.tiles import lay
from imaging_core.decode.volume import Volume
from imaging_core.inference.heat import of_slide
from imaging_core.models.card import Card, Output
from imaging_core.report.outlines import compared
from imaging_core.report.picture import Picture, encoded
from imaging_core.report.slices import Slices
from imaging_core.store import Source

OVERVIEW = 720
"""Longer side of the overview in pixels, at most."""

REGION = 384
"""Side of a region in pixels of the level that the model sees, of a segmentation."""

REGIONS = 3
RED = np.array([214, 39, 40], np.float64)
STRONGEST = 0.65
"""How much of a pixel is red where the model is sure."""

LIMITS = Limits()

Area = tuple[int, int, int, int]
"""Top, left, height and width."""


def slide_of(sources: Sequence[Source], card: Card) -> Slide | None:
    """The slide that these files are to the model; None when they are something else."""
    view = card.input.view
    if view.tiles is None:
        return None
    opened = choose(read_head(sources[0], LIMITS), known_to(view)).decode(sources, card.input.channels, LIMITS)
    return None if isinstance(opened, Case | Volume) else opened


def draw_slide(card: Card, slide: Slide, heat: Source, masks: Mapping[str, Source | None]) -> Picture:
    """A slide as the report shows it.

    Args:
        card: the model's, which sees slides.
        slide: opened.
        heat: its heat map.
        masks: ``truth`` and ``predicted``, those that there are.
    """
    if card.input.view.tiles is None:
        raise ValueError("the model sees no slides")
    level, grid = lay(slide, card.input.view.tiles)
    whole = overview(slide, OVERVIEW)
    known, problem = _open(masks, slide.levels[level], card.output)
    planes = {
        name: _planes(mask, (0, 0, *whole.shape[:2]), whole.shape[:2], card.output) for name, mask in known.items()
    }
    regions = [_heated(whole, slide.levels[level], grid, heat, card)]
    areas = _differing(known, slide.levels[level], grid) if known else _telling(grid, heat, card)
    for area, caption in areas:
        inside = {name: _planes(mask, area, slide.levels[level], card.output) for name, mask in known.items()}
        regions.append(_picture(slide.read(level, *area), inside, caption))
    shares: dict[str, Any] = {f"{name}_share": float(each.any(axis=0).mean()) for name, each in planes.items()}
    return _picture(whole, planes, regions=tuple(regions), problem=problem, **shares)


def _picture(
    pixels: NDArray[np.uint8], planes: Mapping[str, NDArray[np.bool_]], caption: str = "", **more: Any
) -> Picture:
    picture = Image.fromarray(pixels)
    drawn: dict[str, Any] = {**compared(planes, picture.size), **more}
    return Picture(encoded(picture, "jpg"), "jpg", *picture.size, caption=caption, **drawn)


def _open(
    masks: Mapping[str, Source | None], size: tuple[int, int], output: Output
) -> tuple[dict[str, SlideMask], str]:
    """The masks that there are and that fit the slide, and what is wrong with another."""
    known, problem = {}, ""
    for name, source in masks.items():
        if source is None:
            continue
        try:
            mask = SlideMask(source, LIMITS, output.kind)
            mask.fit(size)
            known[name] = mask
        except CaseError as error:
            problem = error.reason
    return known, problem


def _planes(mask: SlideMask, area: Area, size: tuple[int, ...], output: Output) -> NDArray[np.bool_]:
    """The drawn classes of a part of a mask that is brought to this size."""
    top, left, height, width = area
    values = mask.rows(top, height, size)[:, left : left + width]
    return Slices(values[np.newaxis], output).planes(0)


def _differing(known: Mapping[str, SlideMask], size: tuple[int, int], grid: TileGrid) -> Iterator[tuple[Area, str]]:
    """The parts of the slide with most errors; without truth, with most of the prediction."""
    height, width = size
    found: list[tuple[int, int, int]] = []
    for top in range(0, height, REGION):
        rows = min(REGION, height - top)
        sides = [mask.rows(top, rows, size) for mask in known.values()]
        wrong = sides[0] != sides[1] if len(sides) == 2 else sides[0] != 0
        counts = np.add.reduceat(wrong.sum(axis=0), np.arange(0, width, REGION))
        found += [(-int(count), top, number * REGION) for number, count in enumerate(counts) if count]
        found = sorted(found)[:REGIONS]
    word = "wrong" if len(known) == 2 else "said"
    for count, top, left in found:
        area = top, left, min(REGION, height - top), min(REGION, width - left)
        yield area, f"{-count / (area[2] * area[3]):.0%} {word}, {_place(top, left, grid)}"


def _telling(grid: TileGrid, source: Source, card: Card) -> Iterator[tuple[Area, str]]:
    """The tiles with the highest scores, none upon another."""
    heat, name = _heat(source, card)
    shown: list[tuple[int, int]] = []
    for place in np.argsort(-np.nan_to_num(heat, nan=-1.0), axis=None, kind="stable"):
        row, column = (int(each) for each in np.unravel_index(place, heat.shape))
        if len(shown) == REGIONS or np.isnan(heat[row, column]):
            break
        top, left = grid.rows[row], grid.columns[column]
        if all(abs(top - other[0]) >= grid.extent[0] or abs(left - other[1]) >= grid.extent[1] for other in shown):
            shown.append((top, left))
            yield (top, left, *grid.extent), f"{name} {heat[row, column]:.2f}, {_place(top, left, grid)}"


def _place(top: int, left: int, grid: TileGrid) -> str:
    """Where a region begins, in pixels of level 0, as viewers count them."""
    return f"at x {round(left * grid.scale[1]):,}, y {round(top * grid.scale[0]):,}"


def _heat(source: Source, card: Card) -> tuple[NDArray[np.float32], str]:
    """Rows x columns of tiles, NaN where none was looked at, and the class whose scores they are."""
    data = read_whole(source, LIMITS)
    with codec_failures("TIFF", "image"), tifffile.TiffFile(io.BytesIO(data), _multifile=False) as file:
        maps = np.stack([page.asarray(maxworkers=1) for page in file.pages])
    output = card.output
    if output.kind == "binary":
        return maps[0], output.classes[-1]
    if card.task == "segmentation":
        return 1 - maps[0], f"not {output.classes[0]}"
    index = int(np.argmax(of_slide(maps[:, ~np.isnan(maps[0])].T, output)))
    return maps[index], output.classes[index]


def _heated(whole: NDArray[np.uint8], size: tuple[int, int], grid: TileGrid, source: Source, card: Card) -> Picture:
    """The overview with its tiles the redder the higher their scores."""
    heat, name = _heat(source, card)
    rows, columns = (
        _cells(begins, extent, side, pixels)
        for begins, extent, side, pixels in zip((grid.rows, grid.columns), grid.extent, size, whole.shape, strict=False)
    )
    red = np.nan_to_num(heat)[np.ix_(rows, columns)][..., None] * STRONGEST
    return _picture(
        (whole * (1 - red) + RED * red).round().astype(np.uint8), {}, f"heat map: {name}, from 0 to 1 (red)"
    )


def _cells(begins: tuple[int, ...], extent: int, side: int, pixels: int) -> NDArray[np.int64]:
    """For each pixel of the overview along one side the tile whose middle is nearest."""
    middles = np.array(begins) + extent / 2
    borders = (middles[1:] + middles[:-1]) / 2
    return np.searchsorted(borders, (np.arange(pixels) + 0.5) * side / pixels)
