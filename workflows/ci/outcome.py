"""A run that has ended, or is not waited for any more, as the pages of a continuous integration need it."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imaging_core import run
from imaging_core.errors import MissingError
from imaging_core.store.base import Store

MOST_CASES = 10
"""So many failed cases of a kind are named."""


@dataclass(frozen=True, slots=True)
class StepFailure:
    """A step that did not finish.

    Attributes:
        step: ``infer 003``.
        exit_code: None when it ended without one.
        message: its last words.
    """

    step: str
    exit_code: int | None
    message: str


@dataclass(frozen=True, slots=True)
class FailedCases:
    """Cases that failed for one kind of reason.

    Attributes:
        kind: of the failure, such as ``unreadable``.
        cases: of the first ones, how each is called and why it failed.
        count: how many there are.
    """

    kind: str
    cases: tuple[tuple[str, str], ...]
    count: int


@dataclass(frozen=True, slots=True)
class Left:
    """A workflow that is not waited for any more, and has not ended as far as is known.

    Attributes:
        why: it is not waited for.
        commands: to look, to wait again, to stop it: what each does, and what to type.
    """

    why: str
    commands: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a run.

    Attributes:
        run: its location, as text.
        exit_code: of the command.
        seconds: from its begin to its end; None where that is not known.
        metrics: the values of ``metrics.json``; None when this run wrote none.
        failures: the steps that did not finish.
        failed: the failed cases, by kind.
        report: where the report is, as text or link; None when there is none.
        workflow: the name of the workflow; None for a run of this machine.
        link: to its page; None when that is not known.
        left: why the workflow was not waited for to its end; None when it has ended.
    """

    run: str
    exit_code: int
    seconds: float | None
    metrics: Mapping[str, Any] | None
    failures: Sequence[StepFailure] = ()
    failed: Sequence[FailedCases] = ()
    report: str | None = None
    workflow: str | None = None
    link: str | None = None
    left: Left | None = None


def failed_cases(store: Store, metrics: Mapping[str, Any] | None) -> list[FailedCases]:
    """The failed cases by kind, the most frequent kind first, from ``predictions.csv``.

    A case is called as the dataset does, by its id alone where the run was gathered with ``--case-names index``.
    """
    if metrics is None or not metrics["cases"]["failed"]:
        return []
    named: dict[str, list[tuple[str, str]]] = {kind: [] for kind in metrics["failed_by_kind"]}
    try:
        table = store.get(run.PREDICTIONS).decode("utf-8", "replace")
    except MissingError:
        table = ""
    for row in csv.DictReader(io.StringIO(table)):
        cases = named.get(row["kind"])
        if row["state"] == "failed" and cases is not None and len(cases) < MOST_CASES:
            name = f"{row['case']} ({row['image']})" if row.get("image") else row["case"]
            cases.append((name, row["reason"]))
    kinds = sorted(metrics["failed_by_kind"].items(), key=lambda item: (-item[1], item[0]))
    return [FailedCases(kind, tuple(named[kind]), count) for kind, count in kinds]
