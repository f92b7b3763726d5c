"""What a shard's results hold already, and what is still to be done. Torch-free: a finished shard is known at once."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imaging_core import run
from imaging_core.errors import DataError, MissingError
from imaging_core.inference.dicom_results.asked import DicomResults
from imaging_core.inference.ledger import Record, read_part
from imaging_core.inference.measured import Measures
from imaging_core.metrics.provenance import read_provenance
from imaging_core.store import Store


@dataclass(frozen=True, slots=True)
class Again:
    """Which finished cases are done again beside those that failed for a temporary reason.

    Attributes:
        failed: all failed ones (``--retry-failed``).
        without: done ones that lack this output (``"probabilities"`` when it is asked for).
        measures: scored ones that lack one of these, or have surface distances at another tolerance.
        dicom: done ones that were not asked for such DICOM results.
    """

    failed: bool = False
    without: str | None = None
    measures: Measures = Measures()  # noqa: RUF009 - it is frozen
    dicom: DicomResults | None = None

    def wants(self, record: Record) -> bool:
        """Whether this case is to be done again."""
        if record.state == "failed":
            return self.failed or record.temporary
        if record.state == "skipped":
            return False
        lacks_output = self.without is not None and self.without not in record.outputs
        return lacks_output or self.dicom not in (None, record.dicom) or self._lacks_measure(record)

    def _lacks_measure(self, record: Record) -> bool:
        if record.counts is None:
            return False
        tolerance = self.measures.surface_tolerance
        at_tolerance = record.surface is not None and record.surface.tolerance == tolerance
        return (tolerance is not None and not at_tolerance) or (self.measures.lesions and record.lesions is None)


@dataclass(frozen=True, slots=True)
class Kept:
    """What stands of a shard.

    Attributes:
        records: position in the shard to record; of whole, valid parts and of checkpoints, without those to be done
            again.
        parts: numbers of the parts of which nothing is to be done again.
        outdated_parts: of each other part that is there its SHA-256.
        summary: of the shard when it is complete and all of it stands.
        outdated: whether there is a summary though not all of it stands.
    """

    records: Mapping[int, Record]
    parts: frozenset[int]
    outdated_parts: Mapping[int, str]
    summary: Mapping[str, Any] | None
    outdated: bool


@dataclass(frozen=True, slots=True)
class ShardLedger:
    """Where the results of one shard lie, and whose they are.

    Attributes:
        store: the run.
        shard: its id.
        cases: the ids of all its cases, in its order.
        parts: where its ledger is cut.
    """

    store: Store
    shard: str
    cases: Sequence[str]
    parts: run.Parts


def read_kept(ledger: ShardLedger, shard_sha256: str, model_sha256: str, again: Again) -> Kept:
    """Read a shard's results, and decide what stands.

    A part that cannot be parsed, or that does not fit the shard, is done again, and so is every part whose provenance
    is not there. What a checkpoint holds beyond that stands, too, unless the part has been written since.

    Raises:
        DataError: the results are of another model or of another shard file: they belong to another run.
    """
    store, shard = ledger.store, ledger.shard
    written = _get(store, run.summary(shard))  # first: another process may complete the shard meanwhile
    there = set(store.list(run.results(shard)))
    known = _provenances(store, shard, there, model_sha256)
    summary = None if written is None else _summary(written, shard, shard_sha256)
    records: dict[int, Record] = {}
    parts: set[int] = set()
    outdated_parts: dict[int, str] = {}
    sound = summary is not None
    for part in ledger.parts.numbers:
        key = run.ledger_part(shard, part)
        data = _get(store, key) if key in there else None
        digest = _digest(data)
        count = len(ledger.parts.positions(part))
        found = {} if data is None else _records(data, ledger, part, known)
        standing = {position: record for position, record in found.items() if not again.wants(record)}
        if len(standing) == count:
            parts.add(part)
            if summary is not None and _digest_in(summary, part) != digest:
                sound = False
        else:
            sound = False
            if digest is not None:
                outdated_parts[part] = digest
            if (checkpoint := run.checkpoint(shard, part, digest)) in there:
                both = standing | _checkpointed(checkpoint, ledger, part, known, again)
                standing = both if len(both) < count else standing  # a part is written with the last case told of it
        records |= standing
    outdated = written is not None and not sound
    return Kept(records, frozenset(parts), outdated_parts, summary if sound else None, outdated)


def stands(ledger: ShardLedger, part: int, again: Again) -> bool:
    """Whether a whole, valid part is there of which nothing is to be done again.

    Asked before a part is written: another process may be at work on the same shard, and have done it meanwhile.
    """
    data = _get(ledger.store, run.ledger_part(ledger.shard, part))
    if data is None:
        return False
    known = _digests(ledger.shard, ledger.store.list(_provenance_folder(ledger.shard)))
    found = _records(data, ledger, part, known)
    return bool(found) and not any(again.wants(record) for record in found.values())


def digest_there(ledger: ShardLedger, part: int) -> str | None:
    """The SHA-256 of a ledger part as it is now; None where there is none."""
    return _digest(_get(ledger.store, run.ledger_part(ledger.shard, part)))


def _digest(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()


def _provenance_folder(shard: str) -> str:
    return f"{run.results(shard)}provenance/"


def _digests(shard: str, keys: Iterable[str]) -> set[str]:
    folder = _provenance_folder(shard)
    return {key.removeprefix(folder).removesuffix(".json") for key in keys if key.startswith(folder)}


def _provenances(store: Store, shard: str, keys: Iterable[str], model_sha256: str) -> set[str]:
    digests = _digests(shard, keys)
    for digest in digests:
        found = read_provenance(store, shard, digest)
        if found.model != model_sha256:
            raise DataError(
                f"{run.results(shard)} holds results of the model {found.card.name!r} ({found.model[:12]}), not of the "
                f"one given ({model_sha256[:12]}); use another --run for another model"
            )
    return digests


def _summary(data: bytes, shard: str, shard_sha256: str) -> Mapping[str, Any] | None:
    try:
        values = json.loads(data)
    except ValueError:
        return None
    if not isinstance(values, dict):
        return None
    if values.get("shard_sha256") != shard_sha256:
        raise DataError(
            f"{run.summary(shard)}: is about another {run.shard_file(shard)} than the one that is there now; "
            f"use another --run, or delete {run.results(shard)} to infer it again"
        )
    return values


def _digest_in(summary: Mapping[str, Any], part: int) -> str | None:
    try:
        entry = summary["parts"][part]
        return str(entry["sha256"]) if entry["part"] == part else None
    except (KeyError, IndexError, TypeError):
        return None


def _records(data: bytes, ledger: ShardLedger, part: int, known: set[str]) -> dict[int, Record]:
    """Position to record of a whole, valid part; else nothing."""
    records = _valid(data, ledger, part, known)
    return records if len(records) == len(ledger.parts.positions(part)) else {}


def _checkpointed(key: str, ledger: ShardLedger, part: int, known: set[str], again: Again) -> dict[int, Record]:
    """Position to record of what a valid checkpoint holds and is not to be done again."""
    data = _get(ledger.store, key)
    records = {} if data is None else _valid(data, ledger, part, known)
    return {position: record for position, record in records.items() if not again.wants(record)}


def _valid(data: bytes, ledger: ShardLedger, part: int, known: set[str]) -> dict[int, Record]:
    """Position to record of the lines of a part, or of some of them; nothing when one is not what it should be."""
    try:
        records = list(read_part(data, "part"))
    except DataError:
        return {}
    position_of = {ledger.cases[position]: position for position in ledger.parts.positions(part)}
    found = {position_of[record.case]: record for record in records if record.case in position_of}
    in_order = len(found) == len(records) and list(found) == sorted(found)
    return found if in_order and all(record.by in known for record in records) else {}


def _get(store: Store, key: str) -> bytes | None:
    try:
        return store.get(key)
    except MissingError:
        return None
