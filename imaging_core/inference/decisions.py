"""Scores in the form in which the ledger has them, and what is said by them."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from imaging_core.inference.shortest import shortest
from imaging_core.metrics.classification import decide
from imaging_core.models.card import Output


class Decisions:
    """Scores as the ledger has them, and the classes that they speak for.

    Args:
        output: the card's.
        values: a row of scores for each input or case; all are converted at once, since one alone costs as much.
    """

    def __init__(self, output: Output, values: NDArray[np.float32]) -> None:
        self._output = output
        self._decimals = shortest(values)
        self.scores = [tuple(row) for row in self._decimals.tolist()]

    @cached_property
    def labels(self) -> list[tuple[int, ...]]:
        """Class indices, ascending, of each row."""
        output = self._output
        said = decide(output.kind, self._decimals, output.threshold)
        if output.kind == "multilabel":
            return [tuple(np.flatnonzero(row).tolist()) for row in said]
        return [(index,) for index in said.tolist()]
