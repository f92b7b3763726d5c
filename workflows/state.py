"""How far a run is, read from its store alone."""

import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from imaging_core import run
from imaging_core.archive.removed import Removal, read_removals
from imaging_core.dataset.index import read_index
from imaging_core.errors import DataError, MissingError
from imaging_core.inference.ledger import read_part
from imaging_core.store.base import Store
from workflows.run_record import RunRecord, read_record

ShardState = Literal["complete", "in progress", "missing"]


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard.

    Attributes:
        samples: how many cases it has.
        temporary: how many of the failed cases failed for a reason that may be gone by now.
    """

    id: str
    state: ShardState
    samples: int
    done: int = 0
    failed: int = 0
    skipped: int = 0
    temporary: int = 0

    @property
    def finished(self) -> int:
        """Cases that are done, failed or skipped."""
        return self.done + self.failed + self.skipped


@dataclass(frozen=True, slots=True)
class RunState:
    """A run.

    Attributes:
        record: how it was begun; None when its steps were called by hand.
        shards: all of them; None before the split is complete.
        metrics: ``report/metrics.json``; None before gather has written it.
        removals: what was removed of it on purpose.
    """

    record: RunRecord | None
    shards: tuple[Shard, ...] | None
    metrics: dict[str, Any] | None
    removals: tuple[Removal, ...] = ()

    @property
    def acceptable(self) -> bool:
        """Whether the report says that the result is complete and acceptable."""
        return self.metrics is not None and bool(self.metrics["acceptable"])

    @property
    def finished(self) -> bool:
        """Whether the result is acceptable and every shard that it was made from is still there."""
        return self.acceptable and self.shards is not None and all(each.state == "complete" for each in self.shards)

    def to_do(self, *, retry_failed: bool) -> list[str] | None:
        """The shards that resuming infers: not complete, or with temporarily failed cases, or with any when asked.

        None before the split is complete.
        """
        if self.shards is None:
            return None
        return [
            shard.id
            for shard in self.shards
            if shard.state != "complete" or shard.temporary or (retry_failed and shard.failed)
        ]


def read_state(store: Store) -> RunState:
    """Read how far the run below a store's prefix is.

    Raises:
        MissingError: there is no run.
        DataError: one of its files is not what it should be.
    """
    record = read_record(store) if store.exists(run.RUN) else None
    split = store.exists(run.SHARD_INDEX)
    if record is None and not split:
        raise MissingError(f"{store.root.for_person()}: no run here, neither {run.RUN} nor {run.SHARD_INDEX}")
    return RunState(record, _shards(store) if split else None, read_metrics(store), read_removals(store))


def read_metrics(store: Store) -> dict[str, Any] | None:
    """The run's metrics; None when gather has not written them, DataError when they are not of this version."""
    metrics = _read(store, run.METRICS)
    if metrics is not None and not {"complete", "acceptable"} <= metrics.keys():
        raise DataError(f"{store.root.join(run.METRICS)}: holds no verdict; gather again")
    return metrics


def shard_samples(store: Store) -> dict[str, int]:
    """Each shard's number of cases, from the index that split writes last.

    Raises:
        MissingError: the split is not complete.
    """
    return {shard.id: shard.samples for shard in read_index(store).shards}


def _shards(store: Store) -> tuple[Shard, ...]:
    keys = set(store.list("results/"))
    try:
        return tuple(_shard(store, entry.id, entry.samples, keys) for entry in read_index(store).shards)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{store.root}: a summary of a shard is not what this version writes ({error!r})") from error


def _shard(store: Store, shard: str, samples: int, keys: set[str]) -> Shard:
    summary = _read(store, run.summary(shard)) if run.summary(shard) in keys else None
    if summary is not None:
        counts = {name: int(summary[name]) for name in ("done", "failed", "skipped", "temporary")}
        return Shard(shard, "complete", samples, **counts)
    if any(key.startswith(run.results(shard)) for key in keys):
        return Shard(shard, "in progress", samples, **_counts(store, shard, keys))
    return Shard(shard, "missing", samples)


def _counts(store: Store, shard: str, keys: set[str]) -> Counter[str]:
    """What is finished of a shard that is not complete: its ledger, and checkpoints of parts that are not there yet."""
    parts, checkpoints = (
        {key.removeprefix(folder): key for key in keys if key.startswith(folder)}
        for folder in (run.ledger(shard), run.checkpoints(shard))
    )
    of_missing = {name: key for name, key in checkpoints.items() if name.removesuffix(".jsonl").isdecimal()}
    counts: Counter[str] = Counter()
    for key in sorted((of_missing | parts).values()):
        with suppress(MissingError):  # the shard was completed meanwhile, and its checkpoints removed
            for record in read_part(store.get(key), key):
                counts[record.state] += 1
                counts["temporary"] += record.temporary
    return counts


def _read(store: Store, key: str) -> dict[str, Any] | None:
    try:
        value = json.loads(store.get(key))
    except MissingError:
        return None
    except ValueError as error:
        raise DataError(f"{store.root.join(key)}: not JSON ({error})") from error
    if not isinstance(value, dict):
        raise DataError(f"{store.root.join(key)}: not a JSON object")
    return value
