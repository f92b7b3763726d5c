"""Metrics that are a ratio of confusion counts, of pixels or of cases.

Counts are int64 with a last axis of four: true positive, false positive, false negative, true negative.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imaging_core.metrics.values import mean_of_defined

TP, FP, FN, TN = range(4)

EmptyPolicy = Literal["one", "skip", "zero"]
"""What a class is worth in a case where neither the truth nor the prediction has it: 1, left out of the mean, or 0."""


class Ratio(NamedTuple):
    """A numerator and a denominator, int64, of the same shape; 0 / 0 is undefined."""

    numerator: NDArray[np.int64]
    denominator: NDArray[np.int64]


RatioOf = Callable[[NDArray[np.int64]], Ratio]


def iou(counts: NDArray[np.int64]) -> Ratio:
    """Intersection over union, TP / (TP + FP + FN): Jaccard 1901."""
    return Ratio(counts[..., TP], counts[..., TP] + counts[..., FP] + counts[..., FN])


def dice(counts: NDArray[np.int64]) -> Ratio:
    """2 TP / (2 TP + FP + FN): Dice 1945, Sørensen 1948; of cases it is called F1 (van Rijsbergen 1979)."""
    twice = 2 * counts[..., TP]
    return Ratio(twice, twice + counts[..., FP] + counts[..., FN])


def recall(counts: NDArray[np.int64]) -> Ratio:
    """Sensitivity, TP / (TP + FN)."""
    return Ratio(counts[..., TP], counts[..., TP] + counts[..., FN])


def precision(counts: NDArray[np.int64]) -> Ratio:
    """Positive predictive value, TP / (TP + FP)."""
    return Ratio(counts[..., TP], counts[..., TP] + counts[..., FP])


def specificity(counts: NDArray[np.int64]) -> Ratio:
    """TN / (TN + FP)."""
    return Ratio(counts[..., TN], counts[..., TN] + counts[..., FP])


def accuracy(counts: NDArray[np.int64]) -> Ratio:
    """(TP + TN) / all."""
    return Ratio(counts[..., TP] + counts[..., TN], counts.sum(axis=-1))


def volume_difference(counts: NDArray[np.int64]) -> Ratio:
    """Absolute relative volume difference, | FP - FN | / (TP + FN): Heimann et al. 2009."""
    return Ratio(np.abs(counts[..., FP] - counts[..., FN]), counts[..., TP] + counts[..., FN])


def pooled(ratio: RatioOf, counts: NDArray[np.int64]) -> float | None:
    """The ratio of all counts summed over every axis but the last; None where it is 0 / 0."""
    numerator, denominator = ratio(counts.reshape(-1, 4).sum(axis=0))
    return int(numerator) / int(denominator) if denominator else None


def per_class(ratio: RatioOf, counts: NDArray[np.int64]) -> tuple[float | None, ...]:
    """The ratio of each class; ``counts`` is classes x 4."""
    return tuple(pooled(ratio, each) for each in counts)


def macro(ratio: RatioOf, counts: NDArray[np.int64]) -> float | None:
    """The mean over the classes for which the ratio is defined; ``counts`` is classes x 4."""
    return mean_of_defined(per_class(ratio, counts))


def per_case(
    ratio: RatioOf, counts: NDArray[np.int64], empty: EmptyPolicy, one_sided: float = 0.0
) -> NDArray[np.float64]:
    """The value of each case: the mean over its classes.

    Args:
        ratio: which one.
        counts: cases x classes x 4.
        empty: what 0 / 0 is worth where neither side has the class.
        one_sided: what 0 / 0 is worth elsewhere: 0 where nothing that was there was found, or nothing that was found
            was there (scikit-learn's ``zero_division=0``); NaN leaves the class out of the case.

    Returns:
        One float64 a case, NaN where no class of the case is defined.
    """
    numerator, denominator = ratio(counts)
    filling = {"one": 1.0, "skip": np.nan, "zero": 0.0}[empty]
    values = np.where(counts[..., TP] + counts[..., FP] + counts[..., FN] == 0, filling, one_sided)
    np.divide(numerator, denominator, out=values, where=denominator > 0)
    if counts.shape[1] == 1:
        return values[:, 0]
    means = (mean_of_defined([None if value != value else value for value in row]) for row in values.tolist())
    return np.array([np.nan if value is None else value for value in means], dtype=np.float64)
