"""The ledger of one shard, read and held against the shard and its summary."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from imaging_core import run
from imaging_core.errors import DataError, MissingError
from imaging_core.inference.ledger import STATES, Record, read_part
from imaging_core.store import Ahead, Reader, Store


@dataclass(frozen=True, slots=True)
class ShardResults:
    """What lies below ``results/<id>/``.

    Attributes:
        shard: its id.
        parts: numbers of the ledger parts that are there.
        checkpoints: numbers of those of which only a checkpoint is there.
        provenance: digests of the provenance files that are there.
        summary: the content of ``summary.json``; None while the shard is incomplete.
    """

    shard: str
    parts: frozenset[int]
    checkpoints: frozenset[int]
    provenance: frozenset[str]
    summary: Mapping[str, Any] | None

    @property
    def keys(self) -> list[str]:
        """The keys of the ledger parts and checkpoints that are there, in the order of parts."""
        return [self.key(part) for part in sorted(self.parts | self.checkpoints)]

    def key(self, part: int) -> str:
        """The key of a ledger part, or of its checkpoint where only that is there."""
        return (run.checkpoint if part in self.checkpoints else run.ledger_part)(self.shard, part)

    @property
    def again(self) -> str:
        """What to do about results that cannot be used."""
        return f"delete {run.results(self.shard)} and resume the run"


def list_results(store: Store, shards: Sequence[str]) -> dict[str, ShardResults]:
    """What results the run holds, by shard; one listing of the store.

    Raises:
        DataError: there are results of a shard that the index does not know, or a summary is not readable.
    """
    parts: dict[str, set[int]] = {shard: set() for shard in shards}
    checkpoints: dict[str, set[int]] = {shard: set() for shard in shards}
    provenance: dict[str, set[str]] = {shard: set() for shard in shards}
    written: dict[str, str] = {}
    for key in store.list("results/"):
        _, shard, *rest = key.split("/")
        if shard not in parts:
            raise DataError(
                f"{key}: shards/index.json knows no shard {shard!r}; the run was split again: delete results/{shard}"
            )
        match rest:
            case ["cases", name] if name.endswith(".jsonl"):
                stem = name.removesuffix(".jsonl")
                if not stem.isdecimal() or run.ledger_part(shard, int(stem)) != key:
                    raise DataError(f"{key}: not the name of a ledger part; delete it")
                parts[shard].add(int(stem))
            case ["checkpoints", name] if (stem := name.removesuffix(".jsonl")).isdecimal():
                checkpoints[shard].add(int(stem))
            case ["provenance", name]:
                provenance[shard].add(name.removesuffix(".json"))
            case ["summary.json"]:
                written[shard] = key
    summaries: dict[str, Mapping[str, Any]] = {}
    with Ahead(store, written.values()) as ahead:
        for shard, key in written.items():
            with suppress(MissingError):  # removed since: the shard is being done again
                summaries[shard] = _read_summary(ahead.get(key), key)
    return {
        shard: ShardResults(
            shard,
            frozenset(parts[shard]),
            frozenset() if shard in summaries else frozenset(checkpoints[shard] - parts[shard]),
            frozenset(provenance[shard]),
            summaries.get(shard),
        )
        for shard in shards
    }


def read_ledger(
    store: Reader, found: ShardResults, expected: Sequence[str], sha256: str, parts: run.Parts
) -> Iterator[tuple[list[int], list[Record], str]]:
    """The records of one shard, part by part; of a part that is not complete those in its checkpoint.

    Args:
        store: the run.
        found: what is there of the shard.
        expected: the ids of its cases, in the shard's order.
        sha256: digest of the shard's file.
        parts: where the ledger is cut.

    Yields:
        The places in ``expected``, their records in the same order, and the part's key.

    Raises:
        DataError: a part does not fit the shard, or the summary; a line is not a ledger line.
    """
    count = len(parts.numbers)
    listed = None if found.summary is None else _listed(found, found.summary, count, sha256)
    if surplus := sorted(part for part in found.parts | found.checkpoints if part >= count):
        raise DataError(f"{found.key(surplus[0])}: the shard has only {count} parts; {found.again}")
    states: Counter[str] = Counter()
    for part in parts.numbers:
        key = found.key(part)
        if part not in found.parts | found.checkpoints:
            if listed is not None:
                raise DataError(f"{key}: missing, though the summary lists it; {found.again}")
            continue
        try:
            data = store.get(key)
        except MissingError:
            if part in found.checkpoints:  # the shard has been completed since
                continue
            raise
        if listed is not None and hashlib.sha256(data).hexdigest() != listed[part]:
            raise DataError(f"{key}: does not fit its digest in the summary; {found.again}")
        records = list(read_part(data, key))
        cases = {record.case for record in records}
        positions = [each for each in parts.positions(part) if part in found.parts or expected[each] in cases]
        _check_cases([record.case for record in records], expected, positions, key, found.again)
        states.update(record.state for record in records)
        yield positions, records, key
    if found.summary is not None and any(found.summary.get(state) != states[state] for state in STATES):
        raise DataError(f"{run.summary(found.shard)}: its counts are not those of the ledger; {found.again}")


def _read_summary(data: bytes, key: str) -> Mapping[str, Any]:
    try:
        values = json.loads(data)
    except ValueError as error:
        raise DataError(f"{key}: not JSON ({error}); delete it and resume the run") from error
    if not isinstance(values, dict) or values.get("format") != 1:
        raise DataError(f"{key}: not a summary of format 1; was it written by another version?")
    return values


def _listed(found: ShardResults, summary: Mapping[str, Any], count: int, sha256: str) -> list[str]:
    """The digest of each part, as the summary has it."""
    key = run.summary(found.shard)
    if summary.get("shard_sha256") != sha256:
        raise DataError(f"{key}: is about another shard file; {found.again}")
    try:
        digests = {int(part["part"]): str(part["sha256"]) for part in summary["parts"]}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{key}: its list of parts is not readable ({error}); {found.again}") from error
    if sorted(digests) != list(range(count)):
        raise DataError(f"{key}: lists {len(digests)} parts where the shard has {count}; {found.again}")
    return [digests[part] for part in range(count)]


def _check_cases(cases: Sequence[str], expected: Sequence[str], positions: Sequence[int], key: str, again: str) -> None:
    wanted = [expected[position] for position in positions]
    if list(cases) == wanted:
        return
    elsewhere = set(expected).difference(wanted)
    seen: set[str] = set()
    for number, case in enumerate(cases, start=1):
        where = f"{key}, line {number}: case {case}"
        if case in seen:
            raise DataError(f"{where} is there twice; {again}")
        if case in elsewhere:
            raise DataError(f"{where} belongs to another part of the ledger; {again}")
        if case not in wanted:
            raise DataError(f"{where} is not in this shard; {again}")
        seen.add(case)
    if len(cases) < len(wanted):
        raise DataError(f"{key}: ends after {len(cases)} of {len(wanted)} cases; {again}")
    raise DataError(f"{key}: its cases are not in the shard's order; {again}")
