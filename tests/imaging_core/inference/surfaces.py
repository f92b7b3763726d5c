"""Surface distances in plain Python, pixel by pixel: the reference of several tests."""

import itertools
import math
from collections.abc import Sequence

import numpy as np

Point = tuple[int, ...]


def border_of(mask: np.ndarray) -> list[Point]:
    """Pixels of the mask with a neighbour along an axis that is not of it, or that lies outside of the array."""
    members = {tuple(map(int, point)) for point in np.argwhere(mask)}
    found = []
    for point in sorted(members):
        steps = itertools.product(range(mask.ndim), (-1, 1))
        neighbours = [tuple(x + step * (axis == a) for a, x in enumerate(point)) for axis, step in steps]
        if not members.issuperset(neighbours):
            found.append(point)
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """Interpolated between the two values next to it (Hyndman and Fan 1996, type 7)."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = min(int(place), len(ordered) - 2) if len(ordered) > 1 else 0
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def reference(
    mask: np.ndarray, truth: np.ndarray, tolerance: float, spacing: Sequence[float] | None = None
) -> tuple[float | None, float | None, int, int]:
    """HD95, ASSD, border pixels within the tolerance, border pixels."""
    spacing = spacing or [1.0] * mask.ndim
    sides = [border_of(mask), border_of(truth)]
    of = len(sides[0]) + len(sides[1])
    if not all(sides):
        return None, None, 0, of
    directed = []
    for points, others in (sides, sides[::-1]):
        scaled = [[x * s for x, s in zip(point, spacing, strict=True)] for point in others]
        directed.append(
            [min(math.dist([x * s for x, s in zip(p, spacing, strict=True)], q) for q in scaled) for p in points]
        )
    together = directed[0] + directed[1]
    hd95 = max(percentile(side, 0.95) for side in directed)
    return hd95, sum(together) / of, sum(d <= tolerance for d in together), of
