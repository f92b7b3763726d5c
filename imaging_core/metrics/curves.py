"""What a threshold would change, and how far probabilities hold: the points of a report's curves."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imaging_core.metrics.calibration import BINS, bins_of

Points = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Across and up, float64, as many of each."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """Probabilities against how often they come true, per bin that has cases.

    Attributes:
        probability: the mean probability in the bin, float64.
        frequency: the share of its cases for which it came true, float64.
        cases: how many, int64.
    """

    probability: NDArray[np.float64]
    frequency: NDArray[np.float64]
    cases: NDArray[np.int64]


def roc(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> Points | None:
    """The ROC curve: 1 - specificity across, sensitivity up, from (0, 0) to (1, 1), a point per distinct score.

    The area below it, with straight lines between the points, is :func:`~imaging_core.metrics.ranking.area_under_roc`
    (Fawcett 2006).

    Args:
        positive: bool, one per case.
        scores: finite, one per case.

    Returns:
        None when there is no positive or no negative case.
    """
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return None
    found, called = _at_every_score(positive, scores)
    return np.append(0.0, (called - found) / negatives), np.append(0.0, found / positives)


def precision_recall(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> Points | None:
    """Precision (up) at each recall (across), a point per distinct score, the highest score first.

    Drawn as steps to the left, the area below it is :func:`~imaging_core.metrics.ranking.average_precision`; straight
    lines between the points would promise what no threshold gives (Davis and Goadrich 2006).

    Args:
        positive: bool, one per case.
        scores: finite, one per case.

    Returns:
        Beginning at recall 0 with the first point's precision; None when there is no positive case.
    """
    found, called = _at_every_score(positive, scores)
    if not len(found) or not found[-1]:
        return None
    precision = found / called
    return np.append(0.0, found / found[-1]), np.append(precision[0], precision)


def _at_every_score(
    positive: NDArray[np.bool_], scores: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many positives, and how many cases, score at or above each distinct score, the highest first."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(ordered) else np.zeros(0, np.int64)
    found: NDArray[np.int64] = np.cumsum(positive[order].astype(np.int64))[ends]
    return found, ends + 1


def reliability(probabilities: NDArray[np.float64], right: NDArray[np.bool_]) -> Reliability:
    """The bins of :func:`~imaging_core.metrics.calibration.expected_calibration_error` (DeGroot and Fienberg 1983).

    Args:
        probabilities: one per case, in [0, 1].
        right: bool, whether what they are of came true.
    """
    bins = bins_of(probabilities)
    cases = np.bincount(bins, minlength=BINS)
    used = cases > 0
    totals = [np.bincount(bins, weights=values, minlength=BINS)[used] for values in (probabilities, right)]
    return Reliability(totals[0] / cases[used], totals[1] / cases[used], cases[used])
