"""Makes the ledger: each part whole, as soon as the last of its cases is told; then the summary.

What is told of a part before can be saved in a checkpoint.
"""

import hashlib
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from imaging_core import run
from imaging_core.errors import ConfigurationError
from imaging_core.inference.ledger import STATES, Record, read_part, to_part
from imaging_core.inference.resume import Again, Kept, ShardLedger, digest_there, stands


class Recorder:
    """The ledger of one shard while it is inferred. Safe to call from every thread.

    Args:
        ledger: where the results lie.
        kept: what stands already.
        again: which finished cases are done again.
    """

    def __init__(self, ledger: ShardLedger, kept: Kept, again: Again) -> None:
        self._ledger, self._again = ledger, again
        self._open: dict[int, dict[int, Record]] = {
            part: {
                position: kept.records[position]
                for position in ledger.parts.positions(part)
                if position in kept.records
            }
            for part in ledger.parts.numbers
            if part not in kept.parts
        }
        self._finished = len(kept.records)
        self._instead_of = kept.outdated_parts
        self._told_of: set[int] = set()
        self._lock = threading.Lock()

    @property
    def finished(self) -> int:
        """How many cases stand or were told."""
        return self._finished

    def tell(self, records: Mapping[int, Record]) -> list[tuple[str, bytes]]:
        """The cases at these positions are done, failed or skipped.

        Returns:
            The parts that are complete with them, as key and bytes, to be written after these cases' output files.
        """
        ledger = self._ledger
        complete = {}
        with self._lock:
            parts = set()
            for position, record in records.items():
                part = ledger.parts.of(position)
                self._open[part][position] = record
                parts.add(part)
            for part in parts:
                if len(self._open[part]) == len(ledger.parts.positions(part)):
                    complete[part] = self._open.pop(part)
            self._finished += len(records)
            self._told_of = (self._told_of | parts).difference(complete)
        return [
            (run.ledger_part(ledger.shard, part), _lines(members))
            for part, members in complete.items()
            if not stands(ledger, part, self._again)
        ]

    def save(self) -> list[tuple[str, bytes]]:
        """What stands and was told of each part that is not complete and of which something was told since last time.

        Of a part that another process has written meanwhile nothing: its step may have removed the checkpoints already.

        Returns:
            Checkpoints as key and bytes, to be written after the output files of all cases told.
        """
        ledger = self._ledger
        with self._lock:
            told_of = sorted(self._told_of)
        to_be_saved = [part for part in told_of if digest_there(ledger, part) == self._instead_of.get(part)]
        with self._lock:
            made = [
                (run.checkpoint(ledger.shard, part, self._instead_of.get(part)), _lines(self._open[part]))
                for part in to_be_saved
                if part in self._told_of
            ]
            self._told_of.difference_update(told_of)
        return made


def _lines(members: Mapping[int, Record]) -> bytes:
    return to_part(members[position] for position in sorted(members))


def write_summary(ledger: ShardLedger, shard_sha256: str) -> Mapping[str, Any]:
    """Count the finished ledger, remove its checkpoints, and write ``summary.json``, which completes the shard."""
    store, shard = ledger.store, ledger.shard
    states: Counter[str] = Counter()
    provenance: set[str] = set()
    temporary = 0
    parts = []
    for part in ledger.parts.numbers:
        key = run.ledger_part(shard, part)
        data = store.get(key)
        records = list(read_part(data, key))
        states.update(record.state for record in records)
        provenance |= {record.by for record in records}
        temporary += sum(record.temporary for record in records)
        parts.append({"part": part, "cases": len(records), "sha256": hashlib.sha256(data).hexdigest()})
    summary: dict[str, Any] = {
        "format": 1,
        "shard": shard,
        "shard_sha256": shard_sha256,
        "samples": len(ledger.cases),
        **{state: states[state] for state in STATES},
        "temporary": temporary,
        "parts": parts,
        "provenance": sorted(provenance),
    }
    with suppress(ConfigurationError):  # where nothing may be removed they stay: none is of a part as it is now
        store.delete_all(list(store.list(run.checkpoints(shard))))
    store.put(run.summary(shard), run.to_json(summary))
    return summary
