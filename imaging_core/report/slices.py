"""Masks slice by slice; which slice of a volume the report shows, and which way up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging_core.decode.volume import Grid, View, spacing
from imaging_core.models.card import Output

UPRIGHT = {"A": "P", "S": "I"}
"""Rows run down a picture: anterior or superior is up."""

FACING = {"R": "L"}
"""Columns run to the right: the patient's right is on the left, as radiologists look at it."""


@dataclass(frozen=True, slots=True)
class Slices:
    """A mask as the report draws it.

    Attributes:
        values: slices x height x width, of a multilabel model slices x planes x height x width; an image has one slice.
        output: the card's.
    """

    values: NDArray[Any]
    output: Output

    def planes(self, number: int) -> NDArray[np.bool_]:
        """Drawn classes x height x width; of a multiclass model not class 0, whose outline the others make."""
        mask = self.values[number]
        match self.output.kind:
            case "binary":
                return np.asarray(mask[np.newaxis])
            case "multilabel":
                return np.asarray(mask)
            case _:
                return np.stack([mask == index for index in range(1, len(self.output.classes))])

    @property
    def share(self) -> float:
        """Which part of the case is of any drawn class, in [0, 1]."""
        return float(np.mean([self.planes(number).any(axis=0).mean() for number in range(len(self.values))]))


def upright(view: View) -> View:
    """The slices that a model sees, in their order, mirrored to the way in which they are looked at."""
    columns, rows, slices = tuple(view.orientation)
    return View(FACING.get(columns, columns) + UPRIGHT.get(rows, rows) + slices)


def slices_of(mask: NDArray[Any], grid: Grid | None, output: Output) -> Slices:
    """The slices of a mask as :func:`imaging_core.decode.mask.decode_mask` gives it, on the grid of its case."""
    if grid is None:
        return Slices(mask[np.newaxis], output)
    if output.kind != "multilabel":
        return Slices(grid.seen(mask), output)
    return Slices(grid.seen(np.moveaxis(mask, 0, -1)).transpose(0, 3, 1, 2), output)


def most_telling(known: Mapping[str, Slices], count: int) -> int:
    """The slice with most errors; without any, with most truth, then with most of the prediction; else the middle one.

    Args:
        known: ``truth`` and ``predicted``, those that there are, of the same size.
        count: how many slices the case has.
    """
    looks: list[Callable[[int], NDArray[np.bool_]]] = [slices.planes for slices in known.values()]
    if len(looks) == 2:
        truth, predicted = looks
        looks.insert(0, lambda number: truth(number) ^ predicted(number))
    for look in looks:
        sizes = [np.count_nonzero(look(number).any(axis=0)) for number in range(count)]
        if any(sizes):
            return int(np.argmax(sizes))
    return count // 2


def aspect(grid: Grid | None) -> float:
    """Height of a pixel by its width, as slices are looked at; 1 where the spacing is not known."""
    if grid is None or grid.affine is None:
        return 1.0
    steps = spacing(grid.affine)
    return steps[grid.axes[1]] / steps[grid.axes[2]]
