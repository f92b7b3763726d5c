"""Checks every digest of a run, of inputs, ledgers, outputs and report, and computes its metrics again."""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal, TypeVar

from imaging_core import __version__, run
from imaging_core.archive.crate import Recorded, read_crate
from imaging_core.archive.removed import Removal, read_removals, was_removed
from imaging_core.dataset.index import ShardIndex, read_index
from imaging_core.errors import (
    DamagedError,
    DataError,
    DeniedError,
    InferenceError,
    LostError,
    MissingError,
    TemporaryError,
    UsageError,
)
from imaging_core.inference.ledger import read_part
from imaging_core.metrics.merge import merge
from imaging_core.models.card import CARD, read_card
from imaging_core.report.gates import judged
from imaging_core.report.regression import compare_with
from imaging_core.report.requirements import Requirement
from imaging_core.report.timings import read_run_record
from imaging_core.report.verdict import Rules
from imaging_core.store import Location, Store, open_source, open_store

THREADS = 16
AHEAD = 4 * THREADS
UNCHECKED = (run.LOGS, run.INPUTS, run.CHECKS)
"""Below these nothing is pinned: logs are written after the report, inputs are checked as dataset and model."""

State = Literal["changed", "missing", "extra", "unreadable", "incomplete"]
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with one file: its key below the run, or the location of an input."""

    file: str
    state: State
    why: str


@dataclass(slots=True)
class Verified:
    """What was found.

    Attributes:
        sound: how many files have the digest that they should have.
        findings: all others.
        without_digest: outputs that are there, but of which an older version kept no digest.
        removals: what was removed on purpose; it is not missing.
        metrics: what came of computing the metrics again, in words.
    """

    sound: int = 0
    findings: list[Finding] = field(default_factory=list)
    without_digest: int = 0
    removals: tuple[Removal, ...] = ()
    metrics: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def verify(store: Store, progress: Callable[[int, int], None]) -> Verified:
    """Check a run; nothing is written.

    Args:
        store: the run.
        progress: told how many files of how many were looked at.

    Raises:
        MissingError: there is no run.
        LostError, ConfigurationError: the store cannot be read at all.
    """
    return _Verification(store, progress).all()


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A file and what it should be: its SHA-256 (or the beginning of it; empty when unknown) and its length."""

    file: str
    sha256: str
    size: int | None = None


@dataclass(slots=True)
class _Looked:
    """What one file is like, and the outputs that a sound ledger part lists."""

    wanted: _Wanted
    finding: Finding | None = None
    removed: bool = False
    outputs: list[_Wanted] = field(default_factory=list)


class _Verification:
    """Threads look at files; only the caller's thread counts and concludes."""

    def __init__(self, store: Store, progress: Callable[[int, int], None]) -> None:
        self._store, self._progress = store, progress
        self._found = Verified(removals=read_removals(store))
        self._sizes = {each.key: each.size for each in store.entries()}
        self._known = {run.RUN, run.REMOVED, run.CRATE, run.SHARD_INDEX}
        self._looked_at = 0
        if not {run.RUN, run.SHARD_INDEX} & self._sizes.keys():
            raise MissingError(f"{store.root.for_person()}: no run here, neither {run.RUN} nor {run.SHARD_INDEX}")

    def all(self) -> Verified:
        record, index, recorded = read_run_record(self._store), self._index(), self._recorded()
        pool = ThreadPoolExecutor(THREADS)
        try:
            for _ in self._told(pool, self._look, self._pinned(recorded, index)):
                pass
            for _ in self._told(pool, self._look, self._outputs(pool, index.ids if index else [])):
                pass
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # after Ctrl-C a read may not come back for minutes
        self._inputs(record, index, recorded)
        for key in self._sizes:
            if key not in self._known and not key.startswith(UNCHECKED):
                self._wrong(key, "extra", "nothing in the run lists it")
        self._found.metrics = self._metrics(recorded)
        self._found.findings.sort(key=lambda each: each.file)
        return self._found

    def _index(self) -> ShardIndex | None:
        try:
            return read_index(self._store)
        except MissingError:
            self._wrong(run.SHARD_INDEX, "missing", "the run was not split, or has lost what says how")
        except DataError as error:
            self._wrong(run.SHARD_INDEX, "changed", str(error))
        return None

    def _recorded(self) -> Recorded | None:
        try:
            return read_crate(self._store)
        except MissingError:
            why = "the run was not gathered, or by a version that wrote none: nothing pins its report"
            self._wrong(run.CRATE, "missing", why)
        except DataError as error:
            self._wrong(run.CRATE, "changed", str(error))
        if self._sizes.keys() & {run.METRICS}:
            self._known |= {key for key in self._sizes if key.startswith("report/")}
        return None

    def _pinned(self, recorded: Recorded | None, index: ShardIndex | None) -> Iterable[_Wanted]:
        """The files whose digests the provenance record or the index has."""
        digests = recorded.digests if recorded is not None else {}
        pinned = {key: _Wanted(key, each.sha256, each.size) for key, each in digests.items()}
        for shard in index.shards if index is not None else ():
            key = run.shard_file(shard.id)
            pinned.setdefault(key, _Wanted(key, shard.sha256))
        return pinned.values()

    def _outputs(self, pool: ThreadPoolExecutor, shards: Sequence[str]) -> Iterator[_Wanted]:
        """What the ledger lists; its parts are looked at on the way."""
        for looked in self._told(pool, self._look_at_part, self._parts(shards)):
            yield from looked.outputs

    def _parts(self, shards: Sequence[str]) -> Iterator[_Wanted]:
        """The parts of the ledger, and the provenance files beside them, whose names begin their digest."""
        beside: dict[str, set[str]] = {}
        checkpoints = {run.checkpoints(shard) for shard in shards}
        for key in self._sizes:
            if key[: key.rfind("/") + 1] in checkpoints:
                self._known.add(key)
            folder, _, name = key.rpartition("provenance/")
            if folder.startswith("results/"):
                beside.setdefault(folder, set()).add(name.removesuffix(".json"))
        for shard in shards:
            folder, summary = run.results(shard), run.summary(shard)
            self._known |= {summary, run.timing(shard)}
            if summary not in self._sizes:
                self._known |= {key for key in self._sizes if key.startswith(folder)}
                self._wrong(folder, "incomplete", "the shard is not finished: nothing pins its ledger yet")
                continue
            try:
                listed = json.loads(self._store.get(summary))
                digests = {*map(str, listed["provenance"]), *beside.get(folder, ())}
                parts = [_Wanted(run.ledger_part(shard, each["part"]), str(each["sha256"])) for each in listed["parts"]]
                yield from [*parts, *(_Wanted(run.provenance(shard, digest), digest) for digest in sorted(digests))]
            except (ValueError, KeyError, TypeError) as error:
                self._known |= {key for key in self._sizes if key.startswith(folder)}
                self._wrong(summary, "changed", f"not a summary ({type(error).__name__})")

    def _look(self, wanted: _Wanted) -> _Looked:
        return self._read(wanted)[0]

    def _look_at_part(self, wanted: _Wanted) -> _Looked:
        looked, data = self._read(wanted)
        if data is not None and wanted.file.endswith(".jsonl"):
            for record in read_part(data, wanted.file):
                for name, key in record.outputs.items():
                    looked.outputs.append(_Wanted(key, *record.digests.get(name, ("", None))))
        return looked

    def _read(self, wanted: _Wanted) -> tuple[_Looked, bytes | None]:
        """Look at one file; its bytes when they are as they should be."""
        key, size = wanted.file, self._sizes.get(wanted.file)
        if size is None:
            removed = was_removed(self._found.removals, key)
            return _Looked(wanted, None if removed else Finding(key, "missing", "is not there"), removed), None
        if wanted.size not in (None, size):
            return _Looked(wanted, Finding(key, "changed", f"has {size} bytes, not {wanted.size}")), None
        if not wanted.sha256:
            return _Looked(wanted), None
        try:
            data = self._store.get(key)
        except LostError:
            raise
        except (DataError, DeniedError, TemporaryError) as error:
            return _Looked(wanted, _unread(key, error)), None
        if not hashlib.sha256(data).hexdigest().startswith(wanted.sha256):
            return _Looked(wanted, Finding(key, "changed", "its SHA-256 is another")), None
        return _Looked(wanted), data

    def _told(
        self, pool: ThreadPoolExecutor, look: Callable[[_Wanted], _Looked], wanted: Iterable[_Wanted]
    ) -> Iterator[_Looked]:
        """Look at many files, a few ahead, and take account of each."""
        for looked in _in_parallel(pool, look, wanted):
            self._known.add(looked.wanted.file)
            self._looked_at += 1
            self._progress(self._looked_at, max(self._looked_at, len(self._sizes)))
            if looked.finding is not None:
                self._found.findings.append(looked.finding)
            elif not looked.wanted.sha256:
                self._found.without_digest += 1
            elif not looked.removed:
                self._found.sound += 1
            yield looked

    def _inputs(self, record: Mapping[str, Any], index: ShardIndex | None, recorded: Recorded | None) -> None:
        """Dataset, model card and weights, where they were when the run began.

        A model that the run made itself has its digest in the provenance record, and lies beside what training tells.
        """
        try:
            parameters, digests = record["parameters"], record["digests"]
            dataset, model = Location.parse(parameters["dataset"]), Location.parse(parameters["model"])
            pinned = {dataset: str(digests["dataset"]), model.join(CARD): str(digests["model"])}
        except (KeyError, TypeError, InferenceError):
            if run.RUN in self._sizes:
                self._wrong(run.RUN, "changed", "not the record of a run")
            return
        if not pinned[model.join(CARD)] and model.is_within(self._store.root):
            folder = model.relative_to(self._store.root) + "/"
            self._known |= {key for key in self._sizes if key.startswith(folder)}
            made = recorded.digests.get(folder + CARD) if recorded is not None else None
            pinned[model.join(CARD)] = made.sha256 if made is not None else ""
        if index is not None and index.dataset.sha256 != pinned[dataset]:
            self._wrong(run.SHARD_INDEX, "changed", "was made from another dataset than run.json says")
        for location, sha256 in pinned.items():
            data = self._input(location, sha256) if sha256 else None
            if data is not None and location.name == CARD:
                weights = read_card(data, str(location)).weights
                self._input(model.join(weights.file), weights.sha256)

    def _input(self, location: Location, sha256: str) -> bytes | None:
        """The bytes of an input that is as it was."""
        try:
            data = open_source(location).bytes()
        except LostError:
            raise
        except (DataError, DeniedError, TemporaryError) as error:
            self._found.findings.append(_unread(location.for_person(), error))
            return None
        if hashlib.sha256(data).hexdigest() != sha256:
            self._wrong(location.for_person(), "changed", "is not what the run was begun with")
            return None
        self._found.sound += 1
        return data

    def _metrics(self, recorded: Recorded | None) -> str:
        """Compute ``metrics.json`` again from the ledgers; what came of it, in words."""
        if recorded is None:
            return "not computed again: no provenance record says how they were"
        if any(each.kind == "shards" for each in self._found.removals):
            return "not computed again: the shards were removed"
        if any(each.file.startswith(("shards/", "results/")) for each in self._found.findings):
            return "not computed again: shards or ledgers are not what they were"
        asked = recorded.asked
        baseline = asked.get("no_regression")
        if baseline is not None and not open_store(Location.parse(baseline)).exists(run.SHARD_INDEX):
            return f"not computed again: the baseline run {baseline} is not there"
        try:
            merged = merge(self._store, names=False, patient=asked["patient"], group_by=asked["group_by"] or ())
            require = tuple(Requirement.parse(text) for text in asked["require"])
            regression = None
            if baseline is not None:
                regression = compare_with(Location.parse(baseline), merged, require, asked["patient"])
            rules = Rules(asked["max_failed"], asked["require_one_class"], require)
            _, document = judged(merged, rules, asked["metric"] or (), regression)
            if run.to_json(document) == self._store.get(run.METRICS):
                return "the same, computed again from the ledgers"
        except MissingError:
            return "not computed again: there are none"
        except (DataError, UsageError, KeyError) as error:
            self._wrong(run.METRICS, "changed", f"cannot be computed again: {error}")
            return "not computed again"
        version = "" if recorded.code == __version__ else f" (gathered by version {recorded.code}, not {__version__})"
        self._wrong(run.METRICS, "changed", f"is not what the ledgers give{version}")
        return "not the same, computed again from the ledgers"

    def _wrong(self, file: str, state: State, why: str) -> None:
        self._found.findings.append(Finding(file, state, why))


def _unread(file: str, error: InferenceError) -> Finding:
    """Why a file was not read; the messages of stores hold its whole location, and so may not be repeated."""
    match error:
        case MissingError():
            return Finding(file, "missing", "is not there")
        case DamagedError():
            return Finding(file, "changed", "its bytes do not fit its own checksum")
        case DeniedError():
            return Finding(file, "unreadable", "access is denied")
    return Finding(file, "unreadable", "it cannot be read now; try again")


def _in_parallel(pool: ThreadPoolExecutor, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The results in the order of the items, of which a few are worked on ahead."""
    waiting: deque[Future[Result]] = deque()
    rest = iter(items)
    while True:
        waiting.extend(pool.submit(work, item) for item in islice(rest, AHEAD - len(waiting)))
        if not waiting:
            return
        yield waiting.popleft().result()
