"""Metrics of how scores rank the cases, exact with ties."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from imaging_core.metrics.classification import ClassificationCases
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
    total = len(positive)
    positives = int(positive.sum())
    negatives = total - positives
    if not positives or not negatives:
        return None
    order = np.argsort(scores)
    ordered = scores[order]
    starts = np.concatenate([[0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1])
    positives_tied = np.add.reduceat(positive[order].astype(np.int64), starts)
    negatives_tied = np.diff(np.append(starts, total)) - positives_tied
    negatives_below = np.cumsum(negatives_tied) - negatives_tied
    twice = int((positives_tied * (2 * negatives_below + negatives_tied)).sum())
    return twice / (2 * positives * negatives)


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
    found, called = at_thresholds(positive, scores)
    if not len(found) or not found[-1]:
        return None
    gained = np.diff(found, prepend=0)
    return math.fsum((gained * (found / called)).tolist()) / int(found[-1])


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
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return None
    found, called = at_thresholds(positive, scores)
    allowed = negatives - (called - found) >= specificity * negatives - ROUNDING
    return int(found[allowed].max(initial=0)) / positives


def at_thresholds(
    positive: NDArray[np.bool_], scores: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many positives, and how many cases, score at or above each distinct score, the highest first."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(ordered) else np.zeros(0, np.int64)
    found: NDArray[np.int64] = np.cumsum(positive[order].astype(np.int64))[ends]
    return found, ends + 1


def auroc(cases: ClassificationCases) -> Values:
    """Area under the ROC curve, each class against the rest.

    Binary: one curve, the same for both classes. Multiclass and multilabel: macro is the unweighted mean over the
    classes for which it is defined (one-vs-rest: Fawcett 2006; scikit-learn's ``multi_class="ovr",
    average="macro"``), pooled ranks all (case, class) pairs in one list (``average="micro"``).
    """
    values = _each_against_the_rest(area_under_roc, cases)
    if cases.kind != "binary":
        return values
    return Values(pooled=values.pooled, macro=values.pooled, per_class=(values.pooled, values.pooled))


def mean_average_precision(cases: ClassificationCases) -> Values:
    """Average precision, each class against the rest; aggregated as :func:`auroc` (scikit-learn's macro and micro).

    Of a binary model that of the positive class: unlike the area under the ROC curve it is another for the other class.
    """
    return _each_against_the_rest(average_precision, cases)


def sensitivity_at_95(cases: ClassificationCases) -> Values:
    """Sensitivity at a specificity of at least 95 %, each class against the rest; macro is the mean of the classes."""
    values = _each_against_the_rest(partial(sensitivity_at_specificity, specificity=0.95), cases)
    return values if cases.kind == "binary" else replace(values, pooled=None)


def _each_against_the_rest(
    of: Callable[[NDArray[np.bool_], NDArray[np.float64]], float | None], cases: ClassificationCases
) -> Values:
    if cases.kind == "binary":
        return Values(pooled=of(cases.labels == 1, cases.scores[:, 0]))
    by_class = tuple(of(cases.truth[:, k], cases.scores[:, k]) for k in range(cases.classes))
    pooled = of(cases.truth.ravel(), cases.scores.ravel())
    return Values(pooled=pooled, macro=mean_of_defined(by_class), per_class=by_class)
