"""``removed.json``: what was removed of a run on purpose, so that nobody takes it for lost."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from imaging_core import run
from imaging_core.errors import DataError, MissingError
from imaging_core.store import Reader, Store

WHOLE = "runs"
KINDS: Mapping[str, Callable[[str], bool]] = {
    "outputs": lambda key: key.startswith("outputs/"),
    "probabilities": lambda key: key.startswith("outputs/") and ".probabilities." in key,
    "logs": lambda key: key.startswith(run.LOGS),
    "shards": lambda key: key.startswith(run.SHARDS) and key != run.SHARD_INDEX,
}
"""Kind of output to whether a key below the run is of it. Shards can be made again from the dataset, outputs not."""


@dataclass(frozen=True, slots=True)
class Removal:
    """One clean-up.

    Attributes:
        kind: one of :data:`KINDS`, or ``runs`` for all of it.
        at: when it began; ISO 8601, UTC.
        files: how many were to be removed.
        bytes: how long they were together.
        finished: whether it came to its end; else part of them may still be there.
    """

    kind: str
    at: str
    files: int
    bytes: int
    finished: bool


def read_removals(store: Reader) -> tuple[Removal, ...]:
    """The clean-ups of a run, oldest first.

    Raises:
        DataError: ``removed.json`` is not one of ours.
    """
    try:
        values: dict[str, Any] = json.loads(store.get(run.REMOVED))
        return tuple(Removal(**each) for each in values["removals"])
    except MissingError:
        return ()
    except (ValueError, KeyError, TypeError) as error:
        where = store.root.join(run.REMOVED).for_person()
        raise DataError(
            f"{where}: not a record of clean-ups ({error!r}); was it written by another version?"
        ) from error


def write_removals(store: Store, removals: tuple[Removal, ...]) -> None:
    """Replace the record."""
    store.put(run.REMOVED, run.to_json({"format": 1, "removals": [asdict(each) for each in removals]}))


def was_removed(removals: tuple[Removal, ...], key: str) -> bool:
    """Whether a key that is not there was removed on purpose."""
    return any(each.kind == WHOLE or KINDS[each.kind](key) for each in removals)
