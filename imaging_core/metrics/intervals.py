"""95 % intervals: how far a figure may move when other cases of the same kind had been drawn.

Percentiles of 1,000 bootstrap resamples of the cases, with a fixed seed (Efron and Tibshirani 1993). Metrics of the
confusion table keep them for any number of cases, since its cells are drawn. Above 100,000 cases a mean of the cases'
values gets its normal interval, and above 50,000 scores the area under the ROC curve that of DeLong et al. 1988; the
others have none then, and none has one where whole patients would have to be drawn.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from imaging_core.metrics import calibration, ranking, segmentation
from imaging_core.metrics import counts as c
from imaging_core.metrics.classification import ClassificationCases
from imaging_core.metrics.resampling import (
    MOST_CASES,
    Ranked,
    Resamples,
    areas,
    counts_of_tables,
    divided,
    mean_over_classes,
    precisions,
    ratios,
    sensitivities,
)
from imaging_core.metrics.segmentation import SegmentationCases
from imaging_core.metrics.values import Values

Columns = TypeVar("Columns")

LEVEL = 0.95
_DEVIATIONS = 1.959963984540054
MOST_RANKED = 50_000
"""So many (case, class) pairs are ranked anew in each resample."""
MOST_CLASSES = 100
"""Of so many classes the confusion table is resampled."""
NOISE = 2.0**-36
"""Resamples that differ by less do so by rounding, at 2**-40 or below: they are the same."""

Method = Literal["bootstrap", "normal", "DeLong"]


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a figure lies with 95 % confidence.

    Attributes:
        low: its lower end.
        high: its upper end.
        method: how it was found.
    """

    low: float
    high: float
    method: Method


Intervals = Mapping[str, Interval]
"""By aggregation: mean, pooled, macro."""

Spread = Mapping[str, "NDArray[np.float64] | Interval"]
"""By aggregation the value of each resample, NaN where it is undefined; or what a formula says."""

ClassificationSpread = Callable[[ClassificationCases, Resamples], Spread]
SegmentationSpread = Callable[[SegmentationCases, Resamples], Spread]


def ends(spread: Spread) -> Intervals:
    """The middle 95 % of the resamples for which a figure is defined.

    None where it is the same in all of them but for rounding, or a formula finds no variance: that every case is right
    says little of how sure that is.
    """
    found = {name: each for name, values in spread.items() if (each := _interval(values)) is not None}
    return {name: each for name, each in found.items() if each.high - each.low > NOISE}


def _interval(values: "NDArray[np.float64] | Interval") -> Interval | None:
    if isinstance(values, Interval):
        return values
    defined = values[~np.isnan(values)]
    if not len(defined):
        return None
    low, high = np.quantile(defined, ((1 - LEVEL) / 2, (1 + LEVEL) / 2)).tolist()
    return Interval(low, high, "bootstrap")


def around(found: Intervals, values: Values) -> Intervals:
    """The intervals that hold their figure.

    Resampling moves some figures to one side: of few cases a calibration error, or a difference of volumes, that is
    near 0 is larger in nearly every resample. Their percentiles say nothing of where the figure lies.
    """
    return {name: each for name, each in found.items() if _holds(each, getattr(values, name))}


def _holds(interval: Interval, figure: float | None) -> bool:
    return figure is not None and interval.low - NOISE <= figure <= interval.high + NOISE


def normal(mean: float, variance: float, least: float, most: float) -> Interval:
    """The normal interval of a mean with this variance, as far as it lies in what the mean can be."""
    half = _DEVIATIONS * math.sqrt(variance)
    return Interval(max(mean - half, least), min(mean + half, most), "normal")


def of_case_values(
    values: Callable[[Columns], NDArray[np.float64]],
) -> Callable[[Columns, Resamples], Spread]:
    """Of a metric that is the mean of one value per case, NaN where a case has none."""

    def spread(cases: Columns, resamples: Resamples) -> Spread:
        return _of_mean(values(cases), resamples)

    return spread


def of_overlap(ratio: c.RatioOf, *, empty: c.EmptyPolicy | None = None, one_sided: float = 0.0) -> SegmentationSpread:
    """Of a ratio of pixel counts: per case, pooled and macro; the options are those of :func:`counts.per_case`."""

    def spread(cases: SegmentationCases, resamples: Resamples) -> Spread:
        values = c.per_case(ratio, cases.counts, empty or cases.empty, one_sided)
        return {**_of_mean(values, resamples), **_of_pixels(ratio, cases.counts, resamples)}

    return spread


def of_class_values(values: Callable[[SegmentationCases], NDArray[np.float64]]) -> SegmentationSpread:
    """Of a metric with one value per case and class, NaN where there is none: the mean, and macro."""

    def spread(cases: SegmentationCases, resamples: Resamples) -> Spread:
        found = values(cases)
        mean = _of_mean(mean_over_classes(found), resamples)
        if not mean or resamples.cases > MOST_CASES:
            return mean
        by_class = np.stack([resamples.means(column) for column in found.T], axis=1)
        return {**mean, "macro": mean_over_classes(by_class)}

    return spread


def pixel_accuracy(cases: SegmentationCases, resamples: Resamples) -> Spread:
    """Of :func:`imaging_core.metrics.segmentation.pixel_accuracy`."""
    if not cases.exclusive:
        return of_overlap(c.accuracy)(cases, resamples)
    counts = segmentation.right_and_wrong(cases)
    found = {**_of_mean(c.per_case(c.recall, counts, "skip"), resamples), **_of_pixels(c.recall, counts, resamples)}
    return {name: found[name] for name in ("mean", "pooled") if name in found}


def accuracy(cases: ClassificationCases, resamples: Resamples) -> Spread:
    """Of :func:`imaging_core.metrics.classification.accuracy`."""
    if cases.kind == "multilabel":
        right = (cases.labels == cases.predicted).all(axis=1).astype(np.float64)
        return {**of_case_counts(c.accuracy)(cases, resamples), **_of_mean(right, resamples)}
    tables = _tables(cases, resamples)
    if tables is None:
        return {}
    shares = divided(np.trace(tables, axis1=1, axis2=2), tables.sum(axis=(1, 2)))
    return {"mean": shares, "pooled": shares}


def balanced_accuracy(cases: ClassificationCases, resamples: Resamples) -> Spread:
    """Of :func:`imaging_core.metrics.classification.balanced_accuracy`."""
    counts = _counts(cases, resamples)
    if counts is None:
        return {}
    found = divided(*c.recall(counts))
    if cases.kind != "multilabel":
        return {"macro": mean_over_classes(found)}
    sides = np.stack([found, divided(*c.specificity(counts))], axis=2)
    each = mean_over_classes(sides.reshape(-1, 2)).reshape(found.shape)
    return {"macro": mean_over_classes(each)}


def of_case_counts(ratio: c.RatioOf) -> ClassificationSpread:
    """Of a ratio of counts of cases: pooled and macro."""

    def spread(cases: ClassificationCases, resamples: Resamples) -> Spread:
        counts = _counts(cases, resamples)
        return {} if counts is None else ratios(ratio, counts)

    return spread


def of_tables(of: Callable[[NDArray[np.int64]], NDArray[np.float64]]) -> ClassificationSpread:
    """Of a figure of the confusion table; ``of`` takes n x classes x classes. Of labels the mean of their tables'."""

    def spread(cases: ClassificationCases, resamples: Resamples) -> Spread:
        if cases.kind != "multilabel":
            tables = _tables(cases, resamples)
            return {} if tables is None else {"pooled": of(tables)}
        counts = _counts(cases, resamples)
        if counts is None:
            return {}
        tables = counts[..., [c.TN, c.FP, c.FN, c.TP]].reshape(-1, 2, 2)
        return {"macro": mean_over_classes(of(tables).reshape(counts.shape[:2]))}

    return spread


def calibration_error(cases: ClassificationCases, resamples: Resamples) -> Spread:
    """Of :func:`imaging_core.metrics.calibration.calibration_error`."""
    pairs = calibration.confidences(cases)
    if not pairs or resamples.cases > MOST_CASES:
        return {}
    draws = [resamples.binned_gaps(calibration.bins_of(chances), chances, right) for chances, right in pairs]
    name = "macro" if cases.kind == "multilabel" else "pooled"
    return {name: mean_over_classes(np.stack(draws, axis=1))}


def auroc(cases: ClassificationCases, resamples: Resamples) -> Spread:
    """Of :func:`imaging_core.metrics.ranking.auroc`: DeLong's where there is too much to rank a thousand times."""
    if _rankable(cases):
        found = _of_ranks(areas, cases, resamples)
        return found if cases.kind != "binary" else {name: found["pooled"] for name in ("pooled", "macro") if found}
    if resamples.clustered:
        return {}
    sides = [(cases.labels == 1, cases.scores[:, 0])] if cases.kind == "binary" else list(_each_class(cases))
    defined = [k for k, at in enumerate(cases.thresholds) if min(at.positives, at.negatives) > 1]
    if not defined:
        return {}
    added = np.mean([ranking.delong(*sides[k]) for k in defined], axis=0)
    area = math.fsum(ranking.area(cases.thresholds[k]) or 0.0 for k in defined) / len(defined)
    interval = replace(normal(area, math.fsum((added**2).tolist()), 0.0, 1.0), method="DeLong")
    return dict.fromkeys(("pooled", "macro") if cases.kind == "binary" else ("macro",), interval)


def average_precision(cases: ClassificationCases, resamples: Resamples) -> Spread:
    """Of :func:`imaging_core.metrics.ranking.mean_average_precision`."""
    return _of_ranks(precisions, cases, resamples) if _rankable(cases) else {}


def sensitivity_at_95(cases: ClassificationCases, resamples: Resamples) -> Spread:
    """Of :func:`imaging_core.metrics.ranking.sensitivity_at_95`."""
    if not _rankable(cases):
        return {}
    return _of_ranks(partial(sensitivities, specificity=0.95), cases, resamples, pooled=False)


def _of_mean(values: NDArray[np.float64], resamples: Resamples) -> Spread:
    if len(values) != resamples.cases:  # the metric does not exist for these cases
        return {}
    if resamples.cases <= MOST_CASES:
        return {"mean": resamples.means(values)}
    known = values[~np.isnan(values)]
    n = len(known)
    if n < 2 or resamples.clustered:
        return {}
    mean = math.fsum(known.tolist()) / n
    variance = math.fsum(((known - mean) ** 2).tolist()) / (n - 1) / n
    return {"mean": normal(mean, variance, float(known.min()), float(known.max()))}


def _of_pixels(ratio: c.RatioOf, counts: NDArray[np.int64], resamples: Resamples) -> Spread:
    if resamples.cases > MOST_CASES:
        return {}
    drawn = resamples.sums(counts.reshape(len(counts), -1)).reshape(-1, *counts.shape[1:])
    return ratios(ratio, drawn)


def _tables(cases: ClassificationCases, resamples: Resamples) -> NDArray[np.int64] | None:
    if cases.classes > MOST_CLASSES or (resamples.clustered and resamples.cases > MOST_CASES):
        return None
    return resamples.tables(cases.cells, cases.classes)


def _counts(cases: ClassificationCases, resamples: Resamples) -> NDArray[np.int64] | None:
    """RESAMPLES x classes x 4."""
    if cases.kind != "multilabel":
        tables = _tables(cases, resamples)
        return None if tables is None else counts_of_tables(tables)
    if resamples.cases > MOST_CASES:
        return None
    true, said = cases.truth, cases.predicted.astype(bool)
    cells = np.stack([true & said, ~true & said, true & ~said, ~true & ~said], axis=-1).astype(np.int64)
    return resamples.sums(cells.reshape(len(cells), -1)).reshape(-1, cases.classes, 4)


def _rankable(cases: ClassificationCases) -> bool:
    return cases.scores.size <= MOST_RANKED


def _each_class(cases: ClassificationCases) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.float64]]]:
    return ((cases.truth[:, k], cases.scores[:, k]) for k in range(cases.classes))


def _of_ranks(
    of: Callable[[Ranked, Resamples], NDArray[np.float64]],
    cases: ClassificationCases,
    resamples: Resamples,
    *,
    pooled: bool = True,
) -> Spread:
    """Of a binary model pooled, which is its only figure; else macro, and pooled where wanted."""
    numbers = np.arange(resamples.cases)
    if cases.kind == "binary":
        return {"pooled": of(Ranked(cases.labels == 1, cases.scores[:, 0], numbers), resamples)}
    by_class = [of(Ranked(true, scores, numbers), resamples) for true, scores in _each_class(cases)]
    draws = {"macro": mean_over_classes(np.stack(by_class, axis=1))}
    if pooled:
        together = Ranked(cases.truth.ravel(), cases.scores.ravel(), numbers.repeat(cases.classes))
        draws["pooled"] = of(together, resamples)
    return draws
