"""How long the shards took, read leniently: times are shown, never compared, and their lack spoils nothing."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from imaging_core import run
from imaging_core.errors import MissingError
from imaging_core.store import Ahead, Reader, Store


@dataclass(frozen=True, slots=True)
class ShardTime:
    """One shard's ``timing.json``.

    Attributes:
        started: with its time zone.
        seconds: from start to summary.
        cases: that were inferred, or taken from the cache.
        from_cache: how many were taken from there; None without a cache.
        rate: cases per second.
    """

    shard: str
    started: datetime
    seconds: float
    cases: int
    rate: float
    host: str
    device: str
    threads: int
    from_cache: int | None = None

    @property
    def ended(self) -> datetime:
        """When the shard was complete."""
        return self.started + timedelta(seconds=self.seconds)


def read_timings(store: Store, shards: Iterable[str]) -> list[ShardTime]:
    """The times of the shards that have them."""
    listed = list(shards)
    with Ahead(store, map(run.timing, listed)) as ahead:
        return [time for shard in listed if (time := _read(ahead, shard)) is not None]


def read_timing(store: Reader, shard: str) -> dict[str, Any]:
    """The content of one shard's ``timing.json``; empty when it is missing or not readable."""
    return read_json(store, run.timing(shard))


def cached(times: Iterable[ShardTime]) -> str | None:
    """How many cases came from the cache, in words; None when no shard had one."""
    with_cache = [(time.from_cache, time.cases) for time in times if time.from_cache is not None]
    if not with_cache:
        return None
    found, cases = (sum(column) for column in zip(*with_cache, strict=True))
    return f"{found:,} of {cases:,} cases from the cache"


def read_run_record(store: Store) -> dict[str, Any]:
    """The content of ``run.json``; empty when the steps were called by hand, or when it is not readable."""
    return read_json(store, run.RUN)


def _read(store: Reader, shard: str) -> ShardTime | None:
    values = read_timing(store, shard)
    try:
        started = datetime.fromisoformat(str(values["started"]))
        return ShardTime(
            shard=shard,
            started=started if started.tzinfo else started.astimezone(),
            seconds=float(values["seconds"]),
            cases=int(values["cases"]),
            rate=float(values["cases_per_second"]),
            host=str(values["host"]),
            device=str(values["device"]),
            threads=int(values["threads"]),
            from_cache=None if values.get("from_cache") is None else int(values["from_cache"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def read_json(store: Reader, key: str) -> dict[str, Any]:
    """The JSON object at a key; empty when it is missing, or not one."""
    try:
        values = json.loads(store.get(key))
    except (MissingError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


@dataclass(frozen=True, slots=True)
class Balance:
    """How evenly the work was spread.

    Attributes:
        times: of every shard, slowest first.
        started: when the first shard began.
        ended: when the last one ended.
        total: seconds of all shards together.
        longest: seconds of the slowest shard.
        ratio: longest / mean; 1 is perfectly even.
    """

    times: tuple[ShardTime, ...]
    started: datetime
    ended: datetime
    total: float
    longest: float
    ratio: float


def balance(times: Iterable[ShardTime]) -> Balance | None:
    """The shards' times together; None of nothing."""
    slowest_first = tuple(sorted(times, key=lambda time: (-time.seconds, time.shard)))
    if not slowest_first:
        return None
    total = sum(time.seconds for time in slowest_first)
    longest = slowest_first[0].seconds
    return Balance(
        times=slowest_first,
        started=min(time.started for time in slowest_first),
        ended=max(time.ended for time in slowest_first),
        total=total,
        longest=longest,
        ratio=longest * len(slowest_first) / total if total else 1.0,
    )
