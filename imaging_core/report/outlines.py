"""Outlines of masks as SVG paths: sharp at any zoom, and styled by the page."""

from collections.abc import Mapping

import numpy as np
from contourpy import LineType, contour_generator
from numpy.typing import NDArray
from PIL import Image

GRID = 240
"""Masks are averaged down to at most so many cells a side before they are traced; outlines stay exact below a cell."""

MOST_POINTS = 3000
"""Of a mask of countless specks only the longest outlines are drawn."""

MOST_TOGETHER = 10_000
"""The same of all classes of a case, so that a dozen cases of many classes stay far below 10 MB."""

STRAIGHT = 1e-9
"""Twice the area of three neighbouring points, in cells, up to which the middle one adds nothing."""


def outline(mask: NDArray[np.bool_], width: int, height: int) -> str:
    """Where a mask's value changes, as the data of an SVG path.

    Args:
        mask: height x width of the case, any size.
        width: of the picture that the path is drawn over.
        height: of that picture.

    Returns:
        Closed lines in the picture's coordinates; empty for an empty mask. Of a mask that fills the picture, its frame.
        Of a small mask they follow the edges of its pixels.
    """
    return _drawn(_lines(mask, width, height), MOST_POINTS)


def outlines(planes: NDArray[np.bool_], width: int, height: int) -> str:
    """As :func:`outline`, of several masks together: classes x height x width."""
    lines = [line for plane in planes for line in _lines(plane, width, height)]
    return _drawn(lines, min(MOST_POINTS * len(planes), MOST_TOGETHER))


def compared(known: Mapping[str, NDArray[np.bool_]], size: tuple[int, int]) -> dict[str, str]:
    """What is known of the masks, classes x height x width, as the fields of a picture of this size."""
    drawn = {name: outlines(planes, *size) for name, planes in known.items()}
    if len(known) == 2 and known["truth"].shape == known["predicted"].shape:
        truth, said = known["truth"], known["predicted"]
        drawn["missed"] = outline(np.logical_or.reduce(truth & ~said), *size)
        drawn["added"] = outline(np.logical_or.reduce(said & ~truth), *size)
    return drawn


def _lines(mask: NDArray[np.bool_], width: int, height: int) -> list[NDArray[np.float64]]:
    """Closed lines, each points x 2 (across, down) in the picture's coordinates."""
    grow = max(1, GRID // max(mask.shape))
    shrink = min(1.0, GRID / max(mask.shape))
    rows, columns = (max(1, round(side * grow * shrink)) for side in mask.shape)
    grey = Image.fromarray(mask.astype(np.uint8) * 255).resize((columns, rows), Image.Resampling.BOX)
    field = np.pad(np.asarray(grey, dtype=np.float64) / 255, 1)
    lines = contour_generator(z=field, line_type=LineType.Separate).lines(0.5)
    scale = np.array([width / columns, height / rows])
    return [(_corners(np.asarray(line)) - 0.5) * scale for line in lines]


def _drawn(lines: list[NDArray[np.float64]], most: int) -> str:
    """The longest lines, of so many points together; the longest of all in any case."""
    drawn: list[str] = []
    points = 0
    for line in sorted(lines, key=len, reverse=True):
        points += len(line)
        if drawn and points > most:
            break
        drawn.append(_path(line))
    return "".join(drawn)


def _corners(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points x 2 of a closed line whose last point is its first: each once, without those amid a straight piece."""
    points = line[:-1]
    to = points - np.roll(points, 1, axis=0)
    away = np.roll(to, -1, axis=0)
    return points[np.abs(to[:, 0] * away[:, 1] - to[:, 1] * away[:, 0]) > STRAIGHT]


def _path(points: NDArray[np.float64]) -> str:
    """Points x 2 (across, down), to be closed."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points.tolist()) + "Z"
