"""Removing what retention has chosen: recorded before and after, so that it can be interrupted and goes on."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from imaging_core import run
from imaging_core.archive.removed import WHOLE, Removal, write_removals
from imaging_core.archive.retention import Candidate
from imaging_core.store import Store

BATCH = 1000
LAST = (run.REMOVED, run.RUN)
"""What goes after everything else of a whole run, so that what is left of it is still recognised, and removed later."""


def remove(candidate: Candidate, now: datetime, progress: Callable[[int], None]) -> None:
    """Remove what was chosen of one run; ``progress`` is told how many files have gone.

    ``removed.json`` says so before the first file goes, and once the last one has gone. After an interruption the same
    call goes on; what it was to remove then stays what is recorded.

    Raises:
        ConfigurationError: the store does not allow it.
    """
    store, kind, removals = candidate.run.store, candidate.kind, candidate.run.removals
    begun = next((each for each in removals if each.kind == kind and not each.finished), None)
    others = tuple(each for each in removals if each is not begun)
    at = now.isoformat(timespec="seconds")
    removal = begun or Removal(kind, at, len(candidate.entries), candidate.size, finished=False)
    write_removals(store, (*others, removal))
    _remove(store, [entry.key for entry in candidate.entries if entry.key not in LAST], progress)
    if kind == WHOLE:
        store.delete_all(LAST)
    else:
        write_removals(store, (*others, replace(removal, finished=True)))


def _remove(store: Store, keys: list[str], progress: Callable[[int], None]) -> None:
    for start in range(0, len(keys), BATCH):
        store.delete_all(keys[start : start + BATCH])
        progress(min(start + BATCH, len(keys)))


def remove_cached(store: Store, keys: list[str], progress: Callable[[int], None]) -> None:
    """Remove entries of a cache; a run that wants one of them infers it again."""
    _remove(store, keys, progress)
