"""Outlines for QuPath: GeoJSON (RFC 7946) whose coordinates are pixels of the slide's level 0. Torch-free.

A mask is traced at its finest level of at most 4096 pixels a side: exactly on small slides, to a few pixels on others.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from contourpy import FillType, contour_generator
from numpy.typing import NDArray

from imaging_core.decode.case import Limits, Place
from imaging_core.decode.slide import TileGrid
from imaging_core.decode.slide_decoder import open_tiled
from imaging_core.models.card import Output
from imaging_core.store import Source

TRACED = 4096
"""Pixels a side, at most, of the level that is traced."""

MOST = 20_000
"""Features of one slide, the largest (of tiles, those with the highest scores) first; a mask of noise has millions."""

_COLOURS = ((220, 50, 47), (38, 139, 210), (133, 153, 0), (211, 54, 130), (181, 137, 0), (42, 161, 152))

Polygon = list[list[tuple[float, float]]]
"""An outer line and the lines of its holes, each closed: (x, y) in pixels of level 0."""


def outlines(mask: Source, grid: TileGrid, output: Output) -> bytes:
    """What a mask covers, as polygons with holes.

    Args:
        mask: as :class:`imaging_core.inference.pyramid.Pyramid` writes it.
        grid: where it lies on the slide.
        output: the card's; of exclusive classes all but the first are traced.
    """
    tiled = open_tiled(mask, Limits(), "mask")
    level = next((number for number, size in enumerate(tiled.levels) if max(size) <= TRACED), len(tiled.levels) - 1)
    height, width = tiled.levels[level]
    values = tiled.read(level, 0, 0, height, width)[..., 0]
    scale = np.array([grid.scale[1] * tiled.levels[0][1] / width, grid.scale[0] * tiled.levels[0][0] / height])
    found: list[tuple[float, int, Polygon]] = []
    for index, value in _drawn(output):
        found += [(area, index, polygon) for area, polygon in _polygons(values == value, scale)]
    found.sort(key=lambda each: -each[0])
    return _collection([_feature("annotation", polygon, index, output) for _, index, polygon in found[:MOST]])


def tiles(grid: TileGrid, places: Sequence[Place], shown: Sequence[tuple[int, float] | None], output: Output) -> bytes:
    """Tiles as squares, with their scores.

    Args:
        grid: how they lie.
        places: of the tiles that were looked at.
        shown: index and score of the class that is shown of each; None leaves it out.
        output: the card's.
    """
    known = [(place, *said) for place, said in zip(places, shown, strict=True) if said is not None]
    features = []
    for place, index, score in sorted(known, key=lambda each: -each[2])[:MOST]:
        (top, left), (bottom, right) = (
            [round(edge * step, 2) for edge, step in zip(edges, grid.scale, strict=True)]
            for edges in (place.offset, [sum(each) for each in zip(place.offset, place.extent, strict=True)])
        )
        line = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        features.append(_feature("tile", [line], index, output, {"score": score}))
    return _collection(features)


def _drawn(output: Output) -> list[tuple[int, int]]:
    """Index of a class and its value in a mask."""
    if output.kind == "binary":
        return [(len(output.classes) - 1, 255)]
    return [(index, index) for index in range(1, len(output.classes))]


def _polygons(mask: NDArray[np.bool_], scale: NDArray[np.float64]) -> Iterator[tuple[float, Polygon]]:
    """Each polygon and its outer area; lines run between pixels."""
    if not mask.any():
        return
    field = np.pad(mask, 1).astype(np.float32)
    made = contour_generator(z=field, fill_type=FillType.OuterOffset).filled(0.5, 2.0)
    for points, offsets in zip(*made, strict=True):
        lines = [(np.asarray(points[begin:end], np.float64) - 0.5) * scale for begin, end in pairwise(offsets.tolist())]
        yield _area(lines[0]), [list(map(tuple, line.round(2).tolist())) for line in lines]


def _area(line: NDArray[np.float64]) -> float:
    x, y = line.T
    return abs(float(x[:-1] @ y[1:] - x[1:] @ y[:-1])) / 2


def _feature(
    kind: str, polygon: Polygon, index: int, output: Output, measurements: dict[str, float] | None = None
) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "objectType": kind,
        "classification": {"name": output.classes[index], "color": _COLOURS[index % len(_COLOURS)]},
    }
    if measurements:
        properties["measurements"] = measurements
    return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": polygon}, "properties": properties}


def _collection(features: list[dict[str, Any]]) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": features}, separators=(",", ":")).encode()
