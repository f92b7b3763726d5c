"""Which runs below one prefix, or which of their outputs, are old enough to be removed; nothing is removed here."""

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from imaging_core import run
from imaging_core.archive.removed import KINDS, WHOLE, Removal, read_removals
from imaging_core.errors import InferenceError
from imaging_core.report.timings import read_json, read_run_record
from imaging_core.store import Entry, Location, Store, open_store

THREADS = 8
AT_WORK = timedelta(days=1)
"""A run without a report of its latest results, in which something was written since, counts as at work."""

OURS = (
    *(run.RUN, run.CRATE, run.REMOVED),
    *(run.SHARDS, "results/", "outputs/", "report/", run.LOGS, run.INPUTS, run.CHECKS),
)
"""What a run writes below its prefix: nothing else is ever removed."""

_CACHED = re.compile(r"[0-9a-f]{64}/([0-9a-f]{2})/\1[0-9a-f]{62}")
_WORK = (run.SHARDS, "results/", "outputs/")


@dataclass(frozen=True, slots=True)
class Rule:
    """What is to go.

    Attributes:
        kind: one of :data:`imaging_core.archive.removed.KINDS`, or ``runs``.
        older_than: only of runs that began longer ago; None for any age.
        keep: never of the newest so many runs of each dataset and model.
    """

    kind: str
    older_than: timedelta | None
    keep: int


@dataclass(frozen=True, slots=True)
class Run:
    """A run, recognised by its record.

    Attributes:
        about: digests of dataset and model, and the split: runs that agree in them stand for each other. Of a model
            that the run makes itself and has not inferred with, its location.
        acceptable: what its report says; None when it was not gathered.
    """

    store: Store
    begun: datetime
    about: tuple[str, str, str]
    inputs: tuple[Location, ...]
    acceptable: bool | None
    removals: tuple[Removal, ...]

    @property
    def where(self) -> Location:
        """Its prefix."""
        return self.store.root


@dataclass(frozen=True, slots=True)
class Candidate:
    """What would go of one run."""

    run: Run
    kind: str
    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Bytes of all of it."""
        return sum(each.size for each in self.entries)


@dataclass(frozen=True, slots=True)
class Spared:
    """A run that is old enough, but stays, and why."""

    where: Location
    why: str


def find_runs(root: Location) -> tuple[list[Run], list[Spared]]:
    """The runs directly below a prefix, or the one that it is itself; newest first. Folders without a record are none.

    Returns:
        The runs, and those whose record cannot be read.
    """
    store = open_store(root)
    stores = [store] if store.exists(run.RUN) else [open_store(root.join(name)) for name in store.folders()]
    found: list[Run] = []
    unread: list[Spared] = []
    with ThreadPoolExecutor(THREADS) as pool:
        for each, made in zip(stores, pool.map(_read, stores), strict=True):
            if isinstance(made, Run):
                found.append(made)
            elif made is not None:
                unread.append(Spared(each.root, made))
    return sorted(found, key=lambda each: each.begun, reverse=True), unread


def select(runs: Sequence[Run], rule: Rule, now: datetime) -> Iterator[Candidate | Spared]:
    """What a rule takes of these runs, newest first; and what it would take if something did not speak against it."""
    newest: dict[tuple[str, str, str], int] = {}
    good: set[tuple[str, str, str]] = set()
    for each in runs:
        if rule.kind == WHOLE and any(removal.kind == WHOLE for removal in each.removals):
            yield from _of_run(each, rule.kind, runs, now)  # begun, and broken off: there is no keeping it
            continue
        place = newest[each.about] = newest.get(each.about, 0) + 1
        last_good = each.acceptable and each.about not in good
        if each.acceptable:
            good.add(each.about)
        old = rule.older_than is None or now - each.begun > rule.older_than
        if place <= rule.keep or not old:
            continue
        if rule.kind == WHOLE and last_good:
            yield Spared(each.where, "has the last good report of its dataset and model")
            continue
        yield from _of_run(each, rule.kind, runs, now)


def _of_run(each: Run, kind: str, runs: Sequence[Run], now: datetime) -> Iterator[Candidate | Spared]:
    entries = tuple(each.store.entries())
    if _at_work(entries, now):
        yield Spared(each.where, "is at work, or was a short time ago")
        return
    if kind == WHOLE:
        if any(entry.key.endswith(f"/{run.RUN}") for entry in entries):
            yield Spared(each.where, "another run lies in it")
            return
        if user := next((other for other in runs if other is not each and _uses(other, each.where)), None):
            yield Spared(each.where, f"its inputs are those of {user.where.for_person()}, too")
            return
        chosen = tuple(entry for entry in entries if entry.key.startswith(OURS))
    else:
        chosen = tuple(entry for entry in entries if KINDS[kind](entry.key))
    if chosen:
        yield Candidate(each, kind, chosen)


def old_cached(store: Store, older_than: timedelta, now: datetime) -> list[Entry]:
    """The entries of a cache (:mod:`imaging_core.inference.cache`) that were written longer ago; nothing else there."""
    return [each for each in store.entries() if _CACHED.fullmatch(each.key) and now - each.modified > older_than]


def _uses(other: Run, where: Location) -> bool:
    return any(location.is_within(where) for location in other.inputs)


def _at_work(entries: Sequence[Entry], now: datetime) -> bool:
    latest = max((entry.modified for entry in entries if entry.key.startswith((*_WORK, run.RUN))), default=None)
    report = next((entry.modified for entry in entries if entry.key == run.METRICS), None)
    if latest is None or now - latest > AT_WORK:
        return False
    return report is None or report < latest


def _read(store: Store) -> Run | str | None:
    """The run; why its record cannot be used; None where there is none."""
    record: Mapping[str, Any] = read_run_record(store)
    if not record:
        return f"its {run.RUN} cannot be read" if store.exists(run.RUN) else None
    try:
        parameters, digests = record["parameters"], record["digests"]
        begun = datetime.fromisoformat(str(record["created"]))
        if record["format"] != 1 or begun.tzinfo is None:
            raise ValueError("another format")
        inputs = tuple(Location.parse(str(parameters[name])) for name in ("dataset", "model"))
        metrics = read_json(store, run.METRICS)
        model = digests["model"] or (metrics.get("model") or {}).get("sha256") or parameters["model"]
        about = (str(digests["dataset"]), str(model), str(parameters["split"]))
        return Run(store, begun, about, inputs, metrics.get("acceptable"), read_removals(store))
    except (KeyError, TypeError, ValueError, InferenceError) as error:
        return f"its {run.RUN} is not the record of a run ({type(error).__name__})"
