"""Bootstrap resamples of a run's cases, in integers throughout, so that no processor changes a bit.

A resample draws as many cases as there are, with replacement (Efron 1979). Of the confusion of cases with one label
each the cells are drawn, which is the same in distribution and costs nothing for a million cases.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from imaging_core.metrics.counts import RatioOf
from imaging_core.metrics.ranking import ROUNDING

RESAMPLES = 1000
SEED = 0
MOST_CASES = 100_000
"""Of more, single cases are not resampled."""

_CACHED = 32 * 1024
"""Numbers that the fast part of a cache holds."""
_BLOCK = 4 * 1024 * 1024
"""Numbers that are multiplied at once."""
_BITS = 24
_PART = 2**_BITS - 1
_ONE = 2.0**40
"""Values are summed as whole multiples of its inverse."""


class Resamples:
    """The resamples of so many cases, the same each time.

    Args:
        cases: how many there are.
        patients: the patient of each, by any number: whole patients are drawn, as many as there are, since the cases of
            one are alike (Field and Welsh 2007). None when each case stands for itself.
    """

    def __init__(self, cases: int, patients: NDArray[np.int64] | None = None) -> None:
        self.cases = cases
        self._patient = None if patients is None else np.unique(patients, return_inverse=True)[1]
        self.units = cases if self._patient is None else int(self._patient.max(initial=-1)) + 1
        self._tabled: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None

    @property
    def clustered(self) -> bool:
        """Whether patients are drawn."""
        return self._patient is not None

    @cached_property
    def _times(self) -> NDArray[np.uint8]:
        """RESAMPLES x cases: how often each case was drawn."""
        generator = np.random.default_rng(SEED)
        times = np.empty((RESAMPLES, self.cases), dtype=np.uint8)
        for row in range(RESAMPLES):
            units = np.bincount(generator.integers(0, self.units, self.units), minlength=self.units)
            times[row] = units if self._patient is None else units[self._patient]
        return times

    def sums(self, columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """RESAMPLES x columns: the sum of each column (cases x columns) over the cases drawn."""
        return exact_product(self._times, columns)

    def means(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mean over the cases drawn whose value is not NaN."""
        known = ~np.isnan(values)
        present = np.where(known, values, 0.0)
        largest = float(np.abs(present).max(initial=0.0)) * len(values)
        one = min(_ONE, 2.0 ** (62 - math.frexp(largest)[1]))  # of large values fewer bits, so that any sum fits
        fixed = np.rint(present * one).astype(np.int64)
        total, count = self.sums(np.stack([fixed, known.astype(np.int64)], axis=1)).T
        return divided(total / one, count)

    def chunks(self, width: int = 1) -> Iterator[NDArray[np.int64]]:
        """How often each case was drawn, some resamples (rows) at a time: as many of ``width`` as a cache holds."""
        rows = max(1, _CACHED // width)
        return (self._times[row : row + rows].astype(np.int64) for row in range(0, RESAMPLES, rows))

    def binned_gaps(
        self, bins: NDArray[np.int64], values: NDArray[np.float64], right: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """The mean over the cases drawn of | mean of ``right`` - mean of ``values`` | in the bin that a case is in."""
        member = bins[:, np.newaxis] == np.arange(bins.max(initial=0) + 1)
        fixed = right * np.int64(_ONE) - np.rint(values * _ONE).astype(np.int64)
        gaps = np.abs(self.sums(np.where(member, fixed[:, np.newaxis], 0)))
        return divided(gaps.sum(axis=1) / _ONE, self.sums(np.ones((self.cases, 1), dtype=np.int64))[:, 0])

    def tables(self, cells: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
        """RESAMPLES x classes x classes: the confusion table of each; drawn by its cells unless patients are.

        Args:
            cells: of each case, true class times ``classes`` plus predicted class.
            classes: how many there are.
        """
        if self._tabled is not None and self._tabled[0] is cells:
            return self._tabled[1]
        used, place, counts = np.unique(cells, return_inverse=True, return_counts=True)
        tables = np.zeros((RESAMPLES, classes * classes), dtype=np.int64)
        if self.clustered:
            tables[:, used] = [np.bincount(place, weights=times, minlength=len(used)) for times in self._times]
        else:
            generator = np.random.default_rng(SEED)
            tables[:, used] = generator.multinomial(self.cases, counts / self.cases, RESAMPLES)
        self._tabled = (cells, tables.reshape(RESAMPLES, classes, classes))
        return self._tabled[1]


def exact_product(times: NDArray[np.uint8], columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """``times @ columns`` in int64: by parts of 24 bits, whose sums float64 holds exactly, since it multiplies faster.

    Args:
        times: rows x cases, fewer than 2**21 cases.
        columns: cases x columns; sums that leave int64 wrap around, as its own do.
    """
    parts = [(columns >> shift) & _PART if shift < 2 * _BITS else columns >> shift for shift in (0, _BITS, 2 * _BITS)]
    used = [(place * _BITS, part.astype(np.float64)) for place, part in enumerate(parts) if part.any()]
    product = np.zeros((len(times), columns.shape[1]), dtype=np.int64)
    rows = max(1, _BLOCK // max(1, times.shape[1]))
    for start in range(0, len(times), rows):
        block = times[start : start + rows].astype(np.float64)
        for shift, part in used:
            product[start : start + rows] += (block @ part).astype(np.int64) << shift
    return product


def divided(
    numerator: NDArray[np.float64] | NDArray[np.int64], denominator: NDArray[np.float64] | NDArray[np.int64]
) -> NDArray[np.float64]:
    """The ratio, NaN where the denominator is 0."""
    ratio = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator > 0)
    return ratio


def mean_over_classes(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of each row's values that are not NaN."""
    known = ~np.isnan(values)
    return divided(np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1))


def ratios(ratio: RatioOf, counts: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Pooled and macro of a ratio; ``counts`` is RESAMPLES x classes x 4."""
    return {
        "pooled": divided(*ratio(counts.sum(axis=1))),
        "macro": mean_over_classes(divided(*ratio(counts))),
    }


def counts_of_tables(tables: NDArray[np.int64]) -> NDArray[np.int64]:
    """RESAMPLES x classes x 4 (TP, FP, FN, TN), each class against the rest, of RESAMPLES x classes x classes."""
    tp = np.diagonal(tables, axis1=1, axis2=2)
    fp, fn = tables.sum(axis=1) - tp, tables.sum(axis=2) - tp
    return np.stack([tp, fp, fn, tables.sum(axis=(1, 2))[:, np.newaxis] - tp - fp - fn], axis=-1)


@dataclass(frozen=True, slots=True)
class Ranked:
    """Scores to be ranked, and the cases that they are of.

    Attributes:
        positive: bool, one per score.
        scores: finite.
        case: index of the case of each score, which is drawn or not as a whole.
    """

    positive: NDArray[np.bool_]
    scores: NDArray[np.float64]
    case: NDArray[np.int64]


def areas(ranked: Ranked, resamples: Resamples) -> NDArray[np.float64]:
    """The area under the ROC curve of each resample, as :func:`~imaging_core.metrics.ranking.area_under_roc`."""

    def area(true: NDArray[np.int64], false: NDArray[np.int64]) -> NDArray[np.float64]:
        below = false.sum(axis=1, keepdims=True) - false.cumsum(axis=1)
        twice = (true * (2 * below + false)).sum(axis=1)
        return divided(twice, 2 * true.sum(axis=1) * false.sum(axis=1))

    return _by_score(ranked, resamples, area)


def precisions(ranked: Ranked, resamples: Resamples) -> NDArray[np.float64]:
    """The average precision of each resample, as :func:`~imaging_core.metrics.ranking.average_precision`."""

    def precision(true: NDArray[np.int64], false: NDArray[np.int64]) -> NDArray[np.float64]:
        found, called = true.cumsum(axis=1), (true + false).cumsum(axis=1)
        terms = np.rint(np.nan_to_num(divided(found, called)) * _ONE).astype(np.int64)
        return divided((true * terms).sum(axis=1) / _ONE, true.sum(axis=1))

    return _by_score(ranked, resamples, precision)


def sensitivities(ranked: Ranked, resamples: Resamples, specificity: float) -> NDArray[np.float64]:
    """Of each resample what :func:`~imaging_core.metrics.ranking.sensitivity_at_specificity` gives."""

    def best(true: NDArray[np.int64], false: NDArray[np.int64]) -> NDArray[np.float64]:
        found, wrongly, negatives = true.cumsum(axis=1), false.cumsum(axis=1), false.sum(axis=1)
        allowed = negatives[:, np.newaxis] - wrongly >= specificity * negatives[:, np.newaxis] - ROUNDING
        values = divided(np.where(allowed, found, 0).max(axis=1, initial=0), true.sum(axis=1))
        return np.where(negatives > 0, values, np.nan)

    return _by_score(ranked, resamples, best)


def _by_score(
    ranked: Ranked,
    resamples: Resamples,
    of: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """``of`` takes how many positives and negatives each resample has of each score, the highest score first."""
    order = np.argsort(-ranked.scores, kind="stable")
    ordered, true, case = ranked.scores[order], ranked.positive[order], ranked.case[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    values = []
    for times in resamples.chunks(len(case)):
        drawn = times[:, case]
        values.append(of(np.add.reduceat(drawn * true, starts, axis=1), np.add.reduceat(drawn * ~true, starts, axis=1)))
    return np.concatenate(values)
