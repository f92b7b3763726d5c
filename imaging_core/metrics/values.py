"""What a metric says, and the exact means that it is made of."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Values:
    """One metric of one run. None: the concept does not exist for this metric, or is undefined for these cases.

    Attributes:
        mean: every case weighs the same: the mean of the cases' own values.
        pooled: every decision (pixel, or case) weighs the same: computed once from the sum of all counts ("micro").
        macro: every class weighs the same: the mean of the classes' pooled values, without undefined ones.
        per_class: the pooled value of each class; empty when the metric has none.
    """

    mean: float | None = None
    pooled: float | None = None
    macro: float | None = None
    per_class: tuple[float | None, ...] = ()


def mean(values: Iterable[float]) -> float | None:
    """The mean, its sum rounded once (``math.fsum``; Shewchuk 1997), so that no order changes it; None of nothing."""
    listed = list(values)
    return math.fsum(listed) / len(listed) if listed else None


def mean_of_known(values: NDArray[np.float64]) -> float | None:
    """The mean of the values that are not NaN; None when there is none."""
    return mean(values[~np.isnan(values)].tolist())


def mean_of_defined(values: Sequence[float | None]) -> float | None:
    """The mean of the values that are not None; None when there is none."""
    return mean(value for value in values if value is not None)
