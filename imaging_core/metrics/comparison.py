"""Two runs on the same cases: paired differences of every metric, with intervals and a test."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imaging_core.errors import DataError
from imaging_core.metrics import counts as c
from imaging_core.metrics.classification import ClassificationCases
from imaging_core.metrics.columns import ClassificationColumns, SegmentationColumns
from imaging_core.metrics.intervals import Interval, Spread, ends
from imaging_core.metrics.merge import Merged
from imaging_core.metrics.registry import metrics_of
from imaging_core.metrics.resampling import MOST_CASES, SEED, Resamples
from imaging_core.metrics.segmentation import SegmentationCases

AGGREGATIONS = ("mean", "pooled", "macro")
FLIPS = 10_000
MOST_EXACT = 2_000
"""Cases that only one run gets right."""

Columns = ClassificationColumns | SegmentationColumns


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of both runs.

    Attributes:
        metric: its name.
        aggregation: mean, pooled or macro.
        first: its value of the first run.
        second: of the second.
        interval: where the difference, second less first, lies with 95 % confidence; None where that is not known.
    """

    metric: str
    aggregation: str
    first: float
    second: float
    interval: Interval | None

    @property
    def difference(self) -> float:
        """Second less first."""
        return self.second - self.first


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Whether the headline figure differs by more than chance.

    Attributes:
        name: of the test.
        p: two-sided.
        words: what it counted.
    """

    name: str
    p: float
    words: str


@dataclass(frozen=True, slots=True)
class Changed:
    """A case whose own value differs: of a classification 1 (right) or 0, of a segmentation its IoU."""

    case: str
    first: float
    second: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The second run against the first.

    Attributes:
        task: of both.
        cases: how many both scored; only these count.
        only_first: how many only the first one scored.
        only_second: how many only the second one scored.
        differences: of every figure that both have.
        test: None where no case has a value of its own in both.
        of: what is drawn, and swapped by a permutation test.
        changed: the cases that differ, by how much, the largest change first.
    """

    task: str
    cases: int
    only_first: int
    only_second: int
    differences: tuple[Difference, ...]
    test: PairedTest | None
    changed: tuple[Changed, ...]
    of: Literal["cases", "patients"] = "cases"


def compare(first: Merged, second: Merged) -> Comparison:
    """Compare two runs on the cases that both scored.

    Raises:
        DataError: they are not of the same dataset, task or classes, or have no scored case in common.
    """
    ours, theirs = _columns(first), _columns(second)
    if first.expected.index.dataset.sha256 != second.expected.index.dataset.sha256:
        raise DataError("the runs are of different dataset files; compare runs of the same one")
    if type(ours) is not type(theirs) or tuple(ours.classes) != tuple(theirs.classes):
        raise DataError("the models of these runs are for different tasks or classes; they have no figure in common")
    scored = [
        dict(zip(each.expected.cases[columns.scored].tolist(), np.flatnonzero(columns.scored).tolist(), strict=True))
        for each, columns in ((first, ours), (second, theirs))
    ]
    common = sorted(set(scored[0]) & set(scored[1]))
    if not common:
        raise DataError("the runs have no scored case in common; compare runs of the same split")
    rows = [np.array([each[case] for case in common]) for each in scored]
    pair = (_cases(ours, rows[0]), _cases(theirs, rows[1]))
    if _tolerance(ours) != _tolerance(theirs):  # then the shares within it cannot be compared
        pair = (_without_borders(pair[0]), _without_borders(pair[1]))
    patients = first.expected.patients
    # patients, even if each case is one: then both runs draw the same cases each time
    of_cases = None if patients is None else patients[rows[0]]
    drawn = Resamples(len(common), np.arange(len(common)) if of_cases is None else of_cases)
    values = [_own_values(each) for each in pair]
    ids = [first.expected.id(row) for row in rows[0].tolist()]
    return Comparison(
        task="segmentation" if isinstance(ours, SegmentationColumns) else "classification",
        cases=len(common),
        only_first=len(scored[0]) - len(common),
        only_second=len(scored[1]) - len(common),
        differences=tuple(_differences(pair, drawn)),
        test=_test(values, isinstance(ours, ClassificationColumns), of_cases),
        changed=_changed(ids, values),
        of="cases" if of_cases is None else "patients",
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """The two-sided p of McNemar's test (1947), from how many cases only the one or only the other run gets right.

    Without a difference each of them is as likely the one's as the other's: twice the binomial tail. Beyond 2,000 of
    them the normal approximation with Edwards' correction (1948).
    """
    n, fewer = only_first + only_second, min(only_first, only_second)
    if n > MOST_EXACT:
        return math.erfc(max(abs(only_first - only_second) - 1, 0) / math.sqrt(2 * n))
    tail = sum(math.comb(n, k) for k in range(fewer + 1))
    return min(1.0, float(2 * tail / 2**n))


def sign_flips(differences: NDArray[np.float64], patients: NDArray[np.int64] | None = None) -> float:
    """The two-sided p of the paired permutation test of the mean difference (Fisher 1935; Pitman 1937).

    Of 10,000 seeded ways to swap the runs case by case, the share whose mean is at least as far from 0, the one at hand
    counted in. Summed in whole multiples of 2**-40, so that no processor changes it.

    Args:
        differences: one per case.
        patients: of each case, by any number: the cases of one are swapped together, since they are alike.
    """
    fixed = np.rint(differences * 2.0**40).astype(np.int64)
    if patients is not None:
        _, place = np.unique(patients, return_inverse=True)
        together = np.zeros(int(place.max(initial=-1)) + 1, dtype=np.int64)
        np.add.at(together, place, fixed)
        fixed = together
    observed = abs(int(fixed.sum()))
    generator = np.random.default_rng(SEED)
    as_far = 0
    for _ in range(FLIPS):
        flipped = generator.integers(0, 2, len(fixed), dtype=np.int8)
        as_far += abs(int(fixed.sum()) - 2 * int(fixed[flipped == 1].sum())) >= observed
    return (as_far + 1) / (FLIPS + 1)


def _columns(merged: Merged) -> Columns:
    if merged.columns is None:
        raise DataError("nothing was inferred in one of the runs; finish it first")
    return merged.columns


def _cases(columns: Columns, rows: NDArray[np.int64]) -> ClassificationCases | SegmentationCases:
    among = np.zeros(len(columns.scored), dtype=np.bool_)
    among[rows] = True
    return columns.cases(among)


def _tolerance(columns: Columns) -> object:
    return (columns.measured.tolerance, *columns.measured.units) if isinstance(columns, SegmentationColumns) else None


def _without_borders(cases: ClassificationCases | SegmentationCases) -> ClassificationCases | SegmentationCases:
    if isinstance(cases, ClassificationCases):
        return cases
    return replace(cases, measured=replace(cases.measured, borders=None))


def _own_values(cases: ClassificationCases | SegmentationCases) -> NDArray[np.float64]:
    if isinstance(cases, SegmentationCases):
        return c.per_case(c.iou, cases.counts, cases.empty)
    right = cases.predicted == cases.labels
    whole: NDArray[np.bool_] = right.all(axis=1) if right.ndim == 2 else right
    return whole.astype(np.float64)


def _differences(pair: Sequence[ClassificationCases | SegmentationCases], resamples: Resamples) -> "list[Difference]":
    found = []
    for metric in metrics_of("segmentation" if isinstance(pair[0], SegmentationCases) else "classification"):
        values = [metric.compute(each) for each in pair]  # type: ignore[arg-type]
        spreads = [metric.spread(each, resamples) for each in pair]  # type: ignore[arg-type]
        for aggregation in AGGREGATIONS:
            first, second = (getattr(each, aggregation) for each in values)
            if first is not None and second is not None:
                interval = _paired(spreads[0], spreads[1], aggregation)
                found.append(Difference(metric.name, aggregation, first, second, interval))
    return found


def _paired(first: Spread, second: Spread, aggregation: str) -> Interval | None:
    a, b = first.get(aggregation), second.get(aggregation)
    if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray):
        return None
    return ends({aggregation: b - a}).get(aggregation)


def _test(
    values: Sequence[NDArray[np.float64]], decisions: bool, patients: NDArray[np.int64] | None
) -> PairedTest | None:
    differences = values[1] - values[0]
    known = ~np.isnan(differences)
    worse, better = int((differences < 0).sum()), int((differences > 0).sum())
    words = f"IoU is higher in the second run in {better} cases, lower in {worse}"
    if decisions:
        words = f"{worse} cases only the first run gets right, {better} only the second"
        if patients is None:
            return PairedTest("McNemar's test", mcnemar(worse, better), words)
    if not known.any() or known.sum() > MOST_CASES:
        return None
    if patients is None:
        return PairedTest("paired permutation test", sign_flips(differences[known]), words)
    p = sign_flips(differences[known], patients[known])
    return PairedTest("paired permutation test of whole patients", p, words)


def _changed(ids: Sequence[str], values: Sequence[NDArray[np.float64]]) -> tuple[Changed, ...]:
    gaps = np.nan_to_num(np.abs(values[1] - values[0]))
    order = [row for row in np.argsort(-gaps, kind="stable").tolist() if gaps[row] > 0]
    return tuple(Changed(ids[row], float(values[0][row]), float(values[1][row])) for row in order)
