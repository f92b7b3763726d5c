"""Whether a run is worse than an earlier one, its baseline, by more than chance."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from imaging_core import run
from imaging_core.errors import DataError, MissingError
from imaging_core.metrics.comparison import Comparison, Difference, compare
from imaging_core.metrics.merge import Merged, merge
from imaging_core.metrics.registry import HEADLINE, metrics_of, titles
from imaging_core.report import figures
from imaging_core.report.comparison import AGGREGATIONS
from imaging_core.report.requirements import Requirement
from imaging_core.store import Location, open_store


@dataclass(frozen=True, slots=True)
class Regression:
    """A run beside its baseline.

    A figure has regressed when the 95 % interval of its paired difference lies wholly on the worse side of 0. Where no
    such interval is known (more than 100,000 cases, fewer than two, or the same difference in every draw) any loss
    counts. Judged are the figure that a report leads with and those that are required: of all figures together one
    would often be worse by chance.

    Attributes:
        baseline: its location, as text.
        comparison: of the baseline, first, and the run, second; None when nothing of the run was scored.
        judged: name and aggregation of the figures that count.
    """

    baseline: str
    comparison: Comparison | None
    judged: tuple[tuple[str, str], ...]

    @property
    def problems(self) -> list[str]:
        """What became worse, or cannot be compared, in words; nothing when all is well."""
        if self.comparison is None:
            return ["nothing of this run was scored"]
        differences = {(each.metric, each.aggregation): each for each in self.comparison.differences}
        found = []
        for name, aggregation in self.judged:
            difference = differences.get((name, aggregation))
            if difference is None:
                found.append(f"{name}.{aggregation} is undefined in one of the runs")
            elif _worse(difference, self.comparison.task):
                found.append(f"{name}.{aggregation} {_in_words(difference)}")
        return found

    def words(self) -> str:
        """One sentence fragment for the verdict."""
        if problems := self.problems:
            return f"compared with {self.baseline}: {'; '.join(problems)}"
        titled = titles(self.comparison.task) if self.comparison else {}
        names = ", ".join(f"{titled[name]} ({aggregation})" for name, aggregation in self.judged)
        return f"compared with {self.baseline}: not worse in {names}"

    def document(self) -> dict[str, Any]:
        """For ``metrics.json``: every figure of both, and which of them count and are worse."""
        found = self.comparison
        return {
            "run": self.baseline,
            "cases": found.cases if found else 0,
            "of": found.of if found else "cases",
            "differences": []
            if found is None
            else [
                {
                    "metric": each.metric,
                    "aggregation": each.aggregation,
                    "baseline": each.first,
                    "this": each.second,
                    "low": each.interval and each.interval.low,
                    "high": each.interval and each.interval.high,
                    "judged": (each.metric, each.aggregation) in self.judged,
                    "worse": _worse(each, found.task),
                }
                for each in found.differences
            ],
        }


def compare_with(
    baseline: Location, merged: Merged, require: Collection[Requirement] = (), patient: str | None = None
) -> Regression:
    """Read the baseline, and lay the run beside it.

    Args:
        baseline: a run of the same dataset file.
        merged: the run.
        require: whose figures are judged beside the one that a report leads with.
        patient: the feature that names a case's patient, where whole patients are to be drawn.

    Raises:
        MissingError: there is no run at ``baseline``.
        DataError: it cannot be compared with.
    """
    store = open_store(baseline)
    where = baseline.for_person()
    if not store.exists(run.SHARD_INDEX):
        raise MissingError(f"{where}: holds no run to compare with; give --no-regression the location of one")
    task = merged.model.card.task if merged.model else merged.expected.index.dataset.task
    asked = [(each.metric, each.of) for each in require if not each.by_class]
    judged = tuple(dict.fromkeys([HEADLINE[task], *asked]))
    if merged.cases is None or not len(merged.cases):
        return Regression(where, None, judged)
    try:
        return Regression(where, compare(merge(store, names=False, patient=patient), merged), judged)
    except DataError as error:
        raise DataError(f"--no-regression {where}: {error}") from error


def differences(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every figure beside the baseline's as text, from the values of ``metrics.json``; nothing without a baseline."""
    named = titles(document["task"])
    return [
        {
            "title": f"{named[each['metric']]}, {AGGREGATIONS[each['aggregation']]}",
            "baseline": figures.figure(each["baseline"]),
            "this": figures.figure(each["this"]),
            "difference": figures.difference(each["this"] - each["baseline"]),
            "interval": figures.difference_interval(each["low"], each["high"]),
            "judged": each["judged"],
            "worse": each["worse"],
        }
        for each in document.get("baseline", {}).get("differences", ())
    ]


def _worse(each: Difference, task: str) -> bool:
    lower_is_better = next(metric.lower_is_better for metric in metrics_of(task) if metric.name == each.metric)
    low, high = (each.interval.low, each.interval.high) if each.interval else (each.difference, each.difference)
    return low > 0 if lower_is_better else high < 0


def _in_words(each: Difference) -> str:
    words = f"was {figures.figure(each.first)} and is {figures.figure(each.second)}"
    words += f" (difference {figures.difference(each.difference)}"
    if each.interval:
        words += f", 95 % interval {figures.difference_interval(each.interval.low, each.interval.high)}"
    return f"{words})"
