"""What a classifier finds at each threshold: all that its ranking metrics are made of, in integers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Each distinct score of a positive case as a threshold, the highest first; of others nothing more is found.

    Attributes:
        positives: how many cases there are.
        negatives: how many cases there are.
        found: how many positives score at or above each threshold.
        wrongly: how many negatives do.
        pairs: of a positive and a negative, two where the positive scores higher and one where both score the same.
    """

    positives: int
    negatives: int
    found: Counts
    wrongly: Counts
    pairs: int


def thresholds(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> Thresholds:
    """Sort the scores of both sides, each by itself, which is several times faster than to order the cases.

    Args:
        positive: bool, one per case.
        scores: finite, one per case.
    """
    true, false = np.sort(scores[positive]), np.sort(scores[~positive])
    first = np.flatnonzero(np.append(True, true[1:] != true[:-1])) if len(true) else np.zeros(0, np.int64)
    below, up_to = (np.searchsorted(false, true[first], side=side) for side in ("left", "right"))
    tied = np.diff(first, append=len(true))
    return Thresholds(
        positives=len(true),
        negatives=len(false),
        found=(len(true) - first)[::-1],
        wrongly=(len(false) - below)[::-1],
        pairs=int((tied * (below + up_to)).sum()),
    )
