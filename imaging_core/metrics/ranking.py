"""Metrics of how scores rank the cases, exact with ties."""

import numpy as np
from numpy.typing import NDArray

from imaging_core.metrics.classification import ClassificationCases
from imaging_core.metrics.values import Values, mean_of_defined


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


def auroc(cases: ClassificationCases) -> Values:
    """Area under the ROC curve, each class against the rest.

    Binary: one curve, the same for both classes. Multiclass and multilabel: macro is the unweighted mean over the
    classes for which it is defined (one-vs-rest: Fawcett 2006; scikit-learn's ``multi_class="ovr",
    average="macro"``), pooled ranks all (case, class) pairs in one list (``average="micro"``).
    """
    if cases.kind == "binary":
        area = area_under_roc(cases.labels == 1, cases.scores[:, 0])
        return Values(pooled=area, macro=area, per_class=(area, area))
    one_hot = (
        cases.labels.astype(bool)
        if cases.kind == "multilabel"
        else cases.labels[:, np.newaxis] == np.arange(cases.classes)
    )
    by_class = tuple(area_under_roc(one_hot[:, k], cases.scores[:, k]) for k in range(cases.classes))
    pooled = area_under_roc(one_hot.ravel(), cases.scores.ravel())
    return Values(pooled=pooled, macro=mean_of_defined(by_class), per_class=by_class)
