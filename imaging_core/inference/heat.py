"""Heat maps of slides: what the model says of each tile, and what follows for the slide. Torch-free."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imaging_core.decode.case import Place
from imaging_core.decode.slide import TileGrid
from imaging_core.models.card import Output


def heat_map(grid: TileGrid, places: Sequence[Place], scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Classes x rows x columns of tiles; NaN where no tile was looked at.

    Args:
        grid: the slide's tiles.
        places: of the tiles that were looked at.
        scores: tiles x classes, in the same order.
    """
    rows = {offset: number for number, offset in enumerate(grid.rows)}
    columns = {offset: number for number, offset in enumerate(grid.columns)}
    made = np.full((scores.shape[1], len(rows), len(columns)), np.nan, np.float32)
    down, across = zip(*((rows[place.offset[0]], columns[place.offset[1]]) for place in places), strict=True)
    made[:, down, across] = scores.T
    return made


def of_slide(scores: NDArray[np.float32], output: Output) -> NDArray[np.float32]:
    """The scores of a slide by its card's rule (:class:`imaging_core.models.card.Output`), rounded to float32 once.

    Args:
        scores: tiles x classes.
        output: the card's.
    """
    most = {"mean": len(scores), "max": 1}.get(str(output.slide), output.slide)
    largest = np.sort(scores.astype(np.float64), axis=0)[::-1][: int(most)]
    means = np.array([math.fsum(column) / len(column) for column in largest.T])
    if output.kind == "multiclass" and output.slide != "mean" and means.sum() > 0:
        means /= math.fsum(means)
    return means.astype(np.float32)
