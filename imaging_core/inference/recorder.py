"""Makes the ledger: each part whole, as soon as the last of its cases is told; then the summary."""

import hashlib
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from imaging_core import run
from imaging_core.inference.ledger import STATES, Record, read_part, to_part
from imaging_core.inference.resume import Again, Kept, part_of, parts_of, positions_of, stands
from imaging_core.store import Store


class Recorder:
    """The ledger of one shard while it is inferred. Safe to call from every thread.

    Args:
        store: the run.
        shard: its id.
        cases: the ids of all its cases.
        kept: what stands already.
        again: which finished cases are done again.
    """

    def __init__(self, store: Store, shard: str, cases: Sequence[str], kept: Kept, again: Again) -> None:
        self._store, self._shard, self._cases, self._again = store, shard, cases, again
        self._open: dict[int, dict[int, Record]] = {
            part: {
                position: kept.records[position]
                for position in positions_of(part, len(cases))
                if position in kept.records
            }
            for part in parts_of(len(cases))
            if part not in kept.parts
        }
        self._finished = len(kept.records)
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
        complete = {}
        with self._lock:
            for position, record in records.items():
                self._open[part_of(position)][position] = record
            for part in {part_of(position) for position in records}:
                if len(self._open[part]) == len(positions_of(part, len(self._cases))):
                    complete[part] = self._open.pop(part)
            self._finished += len(records)
        return [
            (run.ledger_part(self._shard, part), to_part(members[each] for each in sorted(members)))
            for part, members in complete.items()
            if not stands(self._store, self._shard, part, self._cases, self._again)
        ]


def write_summary(store: Store, shard: str, shard_sha256: str, cases: Sequence[str]) -> Mapping[str, Any]:
    """Count the finished ledger and write ``summary.json``, which completes the shard."""
    states: Counter[str] = Counter()
    provenance: set[str] = set()
    temporary = 0
    parts = []
    for part in parts_of(len(cases)):
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
        "samples": len(cases),
        **{state: states[state] for state in STATES},
        "temporary": temporary,
        "parts": parts,
        "provenance": sorted(provenance),
    }
    store.put(run.summary(shard), run.to_json(summary))
    return summary
