"""What a shard's results hold already, and what is still to be done. Torch-free: a finished shard is known at once."""

import hashlib
import json
from collections.abc import Mapping, Sequence
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
        records: position in the shard to record; of whole, valid parts only, without those to be done again.
        parts: numbers of the parts of which nothing is to be done again.
        summary: of the shard when it is complete and all of it stands.
        outdated: whether there is a summary though not all of it stands.
    """

    records: Mapping[int, Record]
    parts: frozenset[int]
    summary: Mapping[str, Any] | None
    outdated: bool


def part_of(position: int) -> int:
    """The number of the ledger part that holds the case at a position of the shard."""
    return position // run.CASES_PER_PART


def positions_of(part: int, cases: int) -> range:
    """The positions that a part holds, of a shard of so many cases."""
    return range(part * run.CASES_PER_PART, min((part + 1) * run.CASES_PER_PART, cases))


def parts_of(cases: int) -> range:
    """The numbers of all parts of a shard of so many cases."""
    return range(-(-cases // run.CASES_PER_PART))


def read_kept(
    store: Store, shard: str, shard_sha256: str, cases: Sequence[str], model_sha256: str, again: Again
) -> Kept:
    """Read a shard's results, and decide what stands.

    A part that cannot be parsed, or that does not fit the shard, is done again, and so is every part whose provenance
    is not there.

    Raises:
        DataError: the results are of another model or of another shard file: they belong to another run.
    """
    known = _provenances(store, shard, model_sha256)
    written = _get(store, run.summary(shard))
    summary = None if written is None else _summary(written, shard, shard_sha256)
    records: dict[int, Record] = {}
    parts = set()
    sound = summary is not None
    for part in parts_of(len(cases)):
        data = _get(store, run.ledger_part(shard, part))
        positions = positions_of(part, len(cases))
        found = None if data is None else _records(data, cases, positions, known)
        if data is None or found is None:
            sound = False
            continue
        if summary is not None and _digest_in(summary, part) != hashlib.sha256(data).hexdigest():
            sound = False
        standing = {
            position: record for position, record in zip(positions, found, strict=True) if not again.wants(record)
        }
        records |= standing
        if len(standing) == len(found):
            parts.add(part)
        else:
            sound = False
    outdated = written is not None and not sound
    return Kept(records, frozenset(parts), summary if sound else None, outdated)


def stands(store: Store, shard: str, part: int, cases: Sequence[str], again: Again) -> bool:
    """Whether a whole, valid part is there of which nothing is to be done again.

    Asked before a part is written: another process may be at work on the same shard, and have done it meanwhile.
    """
    data = _get(store, run.ledger_part(shard, part))
    if data is None:
        return False
    found = _records(data, cases, positions_of(part, len(cases)), _digests(store, shard))
    return found is not None and not any(again.wants(record) for record in found)


def _digests(store: Store, shard: str) -> set[str]:
    folder = f"{run.results(shard)}provenance/"
    return {key.removeprefix(folder).removesuffix(".json") for key in store.list(folder)}


def _provenances(store: Store, shard: str, model_sha256: str) -> set[str]:
    digests = _digests(store, shard)
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


def _records(data: bytes, cases: Sequence[str], positions: range, known: set[str]) -> list[Record] | None:
    try:
        records = list(read_part(data, "part"))
    except DataError:
        return None
    if [record.case for record in records] != [cases[position] for position in positions]:
        return None
    return records if all(record.by in known for record in records) else None


def _get(store: Store, key: str) -> bytes | None:
    try:
        return store.get(key)
    except MissingError:
        return None
