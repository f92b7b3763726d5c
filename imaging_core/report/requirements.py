"""A figure that must reach a limit: ``iou.mean>=0.77``, of one class ``recall[melanoma]>=0.8``."""

import math
import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

from imaging_core.errors import UsageError
from imaging_core.metrics.comparison import AGGREGATIONS
from imaging_core.metrics.registry import metrics_of
from imaging_core.report import figures

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_FORM = re.compile(
    rf"\s*([a-z][a-z0-9_]*)\s*(?:\.({'|'.join(AGGREGATIONS)})|\[(.+)\])\s*(>=|<=|>|<)\s*"
    r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One figure of ``metrics.json`` and its limit.

    Attributes:
        metric: its name.
        of: mean, pooled or macro; else the name of a class.
        by_class: whether ``of`` names a class.
        comparison: one of >=, >, <=, <.
        limit: a finite number.
        text: as it was given, without blanks at its ends.
    """

    metric: str
    of: str
    by_class: bool
    comparison: str
    limit: float
    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``NAME.mean>=NUMBER`` (or ``.pooled``, ``.macro``, ``[CLASS]``); ValueError for anything else."""
        found = _FORM.fullmatch(text)
        if found is None or not math.isfinite(limit := float(found[5])):
            raise ValueError(
                f"{text!r} is not a requirement: a metric of metrics.json with mean, pooled, macro or a class, "
                "one of >=, >, <=, <, and a number, such as 'iou.mean>=0.77' or 'recall[lesion]>=0.8'"
            )
        return cls(found[1], found[2] or found[3], found[2] is None, found[4], limit, text.strip())

    def check(self, task: str, classes: Collection[str]) -> None:
        """UsageError unless a model of this task and these classes can have the figure."""
        names = [metric.name for metric in metrics_of(task)]
        if self.metric not in names:
            raise UsageError(f"--require {self.text}: no metric of a {task}; there are {', '.join(names)}")
        if self.by_class and self.of not in classes:
            known = ", ".join(classes) or "none"
            raise UsageError(f"--require {self.text}: the model has no class {self.of!r}; its classes are {known}")

    @property
    def figure(self) -> str:
        """What is to reach the limit: ``iou.mean``, ``recall[lesion]``."""
        return f"{self.metric}[{self.of}]" if self.by_class else f"{self.metric}.{self.of}"

    def value(self, document: Mapping[str, Any]) -> float | None:
        """The figure in the values of ``metrics.json``; None where it is undefined, or was not measured."""
        if self.by_class:
            rows = [row for row in document["per_class"] if row["class"] == self.of]
            return rows[0].get(self.metric) if rows else None
        found: float | None = document["metrics"].get(self.metric, {}).get(self.of)
        return found

    def holds(self, value: float | None) -> bool:
        """Whether a figure meets the limit; one that is undefined never does."""
        return value is not None and COMPARISONS[self.comparison](value, self.limit)

    def words(self, value: float | None) -> str:
        """The figure beside its limit, with as many digits as it takes to see on which side it is."""
        asked = f"required {self.figure} {self.comparison} {self.limit:g}"
        if value is None:
            return f"{asked}, undefined for these cases"
        shown = figures.figure(value) if self.holds(round(value, 4)) == self.holds(value) else repr(value)
        return f"{asked}, found {shown}"
