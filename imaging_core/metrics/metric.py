"""A metric as the registry lists it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from imaging_core.metrics.intervals import Spread
from imaging_core.metrics.resampling import Resamples
from imaging_core.metrics.values import Values

Columns = TypeVar("Columns", contravariant=True)


@dataclass(frozen=True, slots=True)
class Metric(Generic[Columns]):
    """One metric.

    Attributes:
        name: its key in ``metrics.json``.
        title: its name for a person.
        explanation: one plain sentence for somebody who does not know it.
        compute: a pure function of the scored cases.
        spread: its figures of other draws of the cases.
        collected: whether the cases were measured for it; None of a metric that needs no more than every run has.
        lower_is_better: as of an error or a distance.
    """

    name: str
    title: str
    explanation: str
    compute: Callable[[Columns], Values]
    spread: Callable[[Columns, Resamples], Spread]
    collected: Callable[[Columns], bool] | None = None
    lower_is_better: bool = False

    def applies(self, cases: Columns) -> bool:
        """Whether the metric is computed of these cases; no report mentions one that is not."""
        return self.collected is None or self.collected(cases)
