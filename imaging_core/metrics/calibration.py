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
    return _of_values(_squares(cases), cases)


def brier_per_case(cases: ClassificationCases) -> NDArray[np.float64]:
    """The values that :func:`brier` is the mean of; none where scores are no probabilities."""
    return _per_case(_squares(cases))


def log_loss(cases: ClassificationCases) -> Values:
    """The mean of -ln(probability of the truth), 0 at best (cross-entropy), as scikit-learn's ``log_loss``.

    Of a multilabel model that of each label, the case's value being the mean over its labels.
    """
    return _of_values(_surprises(cases), cases)


def log_loss_per_case(cases: ClassificationCases) -> NDArray[np.float64]:
    """The values that :func:`log_loss` is the mean of; none where scores are no probabilities."""
    return _per_case(_surprises(cases))


def calibration_error(cases: ClassificationCases) -> Values:
    """Expected calibration error in 15 bins of equal width, 0 at best (Naeini et al. 2015; Guo et al. 2017).

    Of a multiclass model the winner's probability against how often it is right; of a binary model, and of each label
    of a multilabel one, the positive class's probability against how often it is true.
    """
    by_label = tuple(expected_calibration_error(*pair) for pair in confidences(cases))
    if cases.kind != "multilabel":
        return Values(pooled=mean_of_defined(by_label))
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
    bins = bins_of(probabilities)
    gaps = []
    for number in np.unique(bins):
        members = bins == number
        gaps.append(abs(int(right[members].sum()) - math.fsum(probabilities[members].tolist())))
    return math.fsum(gaps) / len(probabilities)


def bins_of(probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin of each, from 0."""
    bins: NDArray[np.int64] = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], probabilities, side="left")
    return bins


def confidences(cases: ClassificationCases) -> list[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    """What :func:`expected_calibration_error` is asked of: one pair, or one per label of a multilabel model."""
    if not cases.probabilities:
        return []
    if cases.kind == "multiclass":
        return [(cases.scores.max(axis=1, initial=0.0), cases.predicted == cases.labels)]
    truth = _truth_of_scores(cases)
    return [(cases.scores[:, k], truth[:, k]) for k in range(truth.shape[1])]


def _truth_of_scores(cases: ClassificationCases) -> NDArray[np.bool_]:
    """Cases x scores."""
    return cases.truth[:, 1:] if cases.kind == "binary" else cases.truth


def _squares(cases: ClassificationCases) -> NDArray[np.float64]:
    """Cases x labels; one column unless several labels may be true at once."""
    if not cases.probabilities:
        return np.zeros((0, 1))
    squares: NDArray[np.float64] = (cases.scores - _truth_of_scores(cases)) ** 2
    return squares.sum(axis=1, keepdims=True) if cases.kind == "multiclass" else squares


def _surprises(cases: ClassificationCases) -> NDArray[np.float64]:
    """Cases x labels; one column unless several labels may be true at once."""
    if not cases.probabilities:
        return np.zeros((0, 1))
    if cases.kind == "multiclass":
        chances = cases.scores[cases.truth][:, np.newaxis]
    else:
        chances = np.where(_truth_of_scores(cases), cases.scores, 1 - cases.scores)
    surprises: NDArray[np.float64] = -np.log(np.clip(chances, _LEAST, 1 - _LEAST))
    return surprises


def _per_case(values: NDArray[np.float64]) -> NDArray[np.float64]:
    if values.shape[1] == 1:
        return values[:, 0]
    return np.array([math.fsum(row) / len(row) for row in values.tolist()])


def _of_values(values: NDArray[np.float64], cases: ClassificationCases) -> Values:
    by_case = mean(_per_case(values).tolist())
    if cases.kind != "multilabel" or by_case is None:
        return Values(mean=by_case)
    by_label = tuple(mean(column.tolist()) for column in values.T)
    return Values(mean=by_case, macro=mean_of_defined(by_label), per_class=by_label)
