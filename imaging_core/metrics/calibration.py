"""How far scores can be taken for probabilities. Undefined where the model's scores are none."""

import math

import numpy as np
from numpy.typing import NDArray

from imaging_core.metrics.classification import ClassificationCases
from imaging_core.metrics.values import Values, mean, mean_of_defined

BINS = 15
"""As Guo et al. 2017."""

_LEAST = float(np.finfo(np.float64).eps)
"""A probability of 0 counts as this, as in scikit-learn's ``log_loss``: an impossible event that happened costs 36."""


def brier(cases: ClassificationCases) -> Values:
    """Brier score: the mean squared difference of probability and truth, 0 at best (Brier 1950).

    Of a multiclass model summed over the classes, in [0, 2], as Brier wrote it; of a binary or multilabel model that of
    each label, in [0, 1] (scikit-learn's ``brier_score_loss``), the case's value being the mean over its labels.
    """
    if not cases.probabilities:
        return Values()
    squares = (cases.scores - _truth_of_scores(cases)) ** 2
    if cases.kind == "multiclass":
        return Values(mean=mean(squares.sum(axis=1).tolist()))
    return _of_labels(squares, cases)


def log_loss(cases: ClassificationCases) -> Values:
    """The mean of -ln(probability of the truth), 0 at best (cross-entropy), as scikit-learn's ``log_loss``.

    Of a multilabel model that of each label, the case's value being the mean over its labels.
    """
    if not cases.probabilities:
        return Values()
    if cases.kind == "multiclass":
        return Values(mean=mean(_surprise(cases.scores[cases.truth]).tolist()))
    truth = _truth_of_scores(cases)
    return _of_labels(_surprise(np.where(truth, cases.scores, 1 - cases.scores)), cases)


def calibration_error(cases: ClassificationCases) -> Values:
    """Expected calibration error in 15 bins of equal width, 0 at best (Naeini et al. 2015; Guo et al. 2017).

    Of a multiclass model the winner's probability against how often it is right; of a binary model, and of each label
    of a multilabel one, the positive class's probability against how often it is true.
    """
    if not cases.probabilities:
        return Values()
    if cases.kind == "multiclass":
        right = cases.predicted == cases.labels
        return Values(pooled=expected_calibration_error(cases.scores.max(axis=1, initial=0.0), right))
    truth = _truth_of_scores(cases)
    by_label = tuple(expected_calibration_error(cases.scores[:, k], truth[:, k]) for k in range(truth.shape[1]))
    if cases.kind == "binary":
        return Values(pooled=by_label[0])
    return Values(macro=mean_of_defined(by_label), per_class=by_label)


def expected_calibration_error(probabilities: NDArray[np.float64], right: NDArray[np.bool_]) -> float | None:
    """The mean over the cases of | share that is right - mean probability | of the bin that a case is in.

    Bins are [0, 1/15], (1/15, 2/15], … as in both papers.

    Args:
        probabilities: one per case, in [0, 1].
        right: whether what they are of came true.

    Returns:
        In [0, 1]; None without cases.
    """
    if not len(probabilities):
        return None
    edges = np.linspace(0, 1, BINS + 1)
    bins = np.searchsorted(edges[1:-1], probabilities, side="left")
    gaps = []
    for number in np.unique(bins):
        members = bins == number
        gaps.append(abs(int(right[members].sum()) - math.fsum(probabilities[members].tolist())))
    return math.fsum(gaps) / len(probabilities)


def _truth_of_scores(cases: ClassificationCases) -> NDArray[np.bool_]:
    """Cases x scores."""
    return cases.truth[:, 1:] if cases.kind == "binary" else cases.truth


def _surprise(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    surprise: NDArray[np.float64] = -np.log(np.clip(probabilities, _LEAST, 1 - _LEAST))
    return surprise


def _of_labels(values: NDArray[np.float64], cases: ClassificationCases) -> Values:
    """``values`` is cases x scores."""
    if cases.kind == "binary":
        return Values(mean=mean(values[:, 0].tolist()))
    by_label = tuple(mean(column.tolist()) for column in values.T)
    by_case = [math.fsum(row) / len(row) for row in values.tolist()]
    return Values(mean=mean(by_case), macro=mean_of_defined(by_label), per_class=by_label)
