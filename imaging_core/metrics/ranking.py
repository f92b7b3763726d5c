"""Metrics of how scores rank the cases, exact with ties."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from imaging_core.metrics.classification import ClassificationCases
from imaging_core.metrics.thresholds import Thresholds, thresholds
from imaging_core.metrics.values import Values, mean_of_defined

ROUNDING = 1e-6
"""Of a product that is compared with a count: 95 % of 140 may come out above 133."""


def area_under_roc(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> float | None:
    """The chance that a positive case scores above a negative one, a tie counting half.

    This is the area under the ROC curve with straight lines between its points, and U / (positives x negatives) of Mann
    and Whitney 1947 (Hanley and McNeil 1982). Counted in integers, so exact up to one rounding.

    Args:
        positive: bool, one per case.
        scores: finite, one per case.

    Returns:
        In [0, 1]; None when there is no positive or no negative case.
    """
    return area(thresholds(positive, scores))


def area(at: Thresholds) -> float | None:
    """As :func:`area_under_roc`, of scores that are sorted already."""
    return at.pairs / (2 * at.positives * at.negatives) if at.positives and at.negatives else None


def delong(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each case adds to the error of the area under the ROC curve: the squares' sum is the area's variance.

    The structural components of DeLong, DeLong and Clarke-Pearson 1988, less their mean, over the square root of
    m (m - 1), m being how many cases there are on a case's side; found by sorting, as Sun and Xu 2014.

    Args:
        positive: bool, one per case; at least two true and two false.
        scores: finite, one per case.

    Returns:
        One float64 per case.
    """
    _, group = np.unique(scores, return_inverse=True)
    groups = int(group.max()) + 1
    added = np.empty(len(scores))
    for side, other, sign in ((positive, ~positive, 1), (~positive, positive, -1)):
        of_other = np.bincount(group[other], minlength=groups)
        twice_below = 2 * np.cumsum(of_other) - of_other
        if sign < 0:
            twice_below = 2 * int(of_other.sum()) - twice_below
        components = twice_below[group[side]] / (2 * int(of_other.sum()))
        m = len(components)
        added[side] = (components - math.fsum(components.tolist()) / m) / math.sqrt(m * (m - 1))
    return added


def average_precision(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> float | None:
    """The mean of the precision at each threshold, weighted by the recall gained there: sum of (R_n - R_(n-1)) P_n.

    Without interpolation, as scikit-learn's ``average_precision_score``; cases of one score are taken in together.

    Args:
        positive: bool, one per case.
        scores: finite, one per case.

    Returns:
        In [0, 1]; None when there is no positive case.
    """
    return _precision(thresholds(positive, scores))


def _precision(at: Thresholds) -> float | None:
    if not at.positives:
        return None
    gained = np.diff(at.found, prepend=0)
    return math.fsum((gained * (at.found / (at.found + at.wrongly))).tolist()) / at.positives


def sensitivity_at_specificity(
    positive: NDArray[np.bool_], scores: NDArray[np.float64], specificity: float
) -> float | None:
    """The highest sensitivity of any threshold whose specificity is at least ``specificity``.

    A point of the ROC curve itself, never one between two of them. That no case is called positive is a threshold, too.

    Args:
        positive: bool, one per case.
        scores: finite, one per case.
        specificity: in [0, 1].

    Returns:
        In [0, 1]; None when there is no positive or no negative case.
    """
    return _sensitivity(thresholds(positive, scores), specificity)


def _sensitivity(at: Thresholds, specificity: float) -> float | None:
    if not at.positives or not at.negatives:
        return None
    allowed = at.negatives - at.wrongly >= specificity * at.negatives - ROUNDING
    return int(at.found[allowed].max(initial=0)) / at.positives


def auroc(cases: ClassificationCases) -> Values:
    """Area under the ROC curve, each class against the rest.

    Binary: one curve, the same for both classes. Multiclass and multilabel: macro is the unweighted mean over the
    classes for which it is defined (one-vs-rest: Fawcett 2006; scikit-learn's ``multi_class="ovr",
    average="macro"``), pooled ranks all (case, class) pairs in one list (``average="micro"``).
    """
    values = _each_against_the_rest(area, cases)
    if cases.kind != "binary":
        return values
    return Values(pooled=values.pooled, macro=values.pooled, per_class=(values.pooled, values.pooled))


def mean_average_precision(cases: ClassificationCases) -> Values:
    """Average precision, each class against the rest; aggregated as :func:`auroc` (scikit-learn's macro and micro).

    Of a binary model that of the positive class: unlike the area under the ROC curve it is another for the other class.
    """
    return _each_against_the_rest(_precision, cases)


def sensitivity_at_95(cases: ClassificationCases) -> Values:
    """Sensitivity at a specificity of at least 95 %, each class against the rest; macro is the mean of the classes."""
    values = _each_against_the_rest(partial(_sensitivity, specificity=0.95), cases)
    return values if cases.kind == "binary" else replace(values, pooled=None)


def _each_against_the_rest(of: Callable[[Thresholds], float | None], cases: ClassificationCases) -> Values:
    if cases.kind == "binary":
        return Values(pooled=of(cases.thresholds[0]))
    by_class = tuple(map(of, cases.thresholds))
    return Values(pooled=of(cases.pooled_thresholds), macro=mean_of_defined(by_class), per_class=by_class)
