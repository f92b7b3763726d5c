"""Splits a dataset into the shards of a run, once: a second call finds them and does nothing."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from imaging_core import run
from imaging_core.dataset.dtd import parse_dataset, read_bytes
from imaging_core.dataset.index import REFERENCE, DatasetFacts, ShardEntry, ShardIndex, read_index
from imaging_core.dataset.roots import Roots
from imaging_core.dataset.sample import Dataset
from imaging_core.dataset.shards import cut
from imaging_core.dataset.splits import ALL
from imaging_core.errors import DataError, MissingError
from imaging_core.store import Location, Store

FOR_COMPARISON = "policy 'reference' gives cases new splits, as DeepHealth's split-yaml did: for comparison only"


@dataclass(frozen=True, slots=True)
class SplitRequest:
    """How a dataset is to be split.

    Attributes:
        dataset: where the dataset file lies.
        split: the split's name, or ``all``.
        shards: how many at most.
        policy: one of :data:`imaging_core.dataset.index.POLICIES`.
        allowed_roots: folders beside the dataset's own in which images and masks may lie.
        http_hosts: web servers on which they may lie.
        show_names: whether errors may show file names.
    """

    dataset: Location
    split: str
    shards: int
    policy: str
    allowed_roots: Sequence[Location] = ()
    http_hosts: Sequence[str] = ()
    show_names: bool = True

    @property
    def roots(self) -> Roots:
        """Where images and masks may lie."""
        return Roots((self.dataset.parent, *self.allowed_roots), tuple(self.http_hosts))


def split_run(store: Store, request: SplitRequest) -> tuple[ShardIndex, bool]:
    """Write the shards of a dataset into a run, the index last.

    Returns:
        The index, and whether all of it was there already.

    Raises:
        DataError: the dataset has mistakes, or the run holds another split.
    """
    data = read_bytes(request.dataset)
    existing = _existing(store)
    missing: set[str] = set()
    if existing is not None:
        _require_same(existing, hashlib.sha256(data).hexdigest(), request, store)
        there = set(store.list(run.SHARDS))
        missing = {shard for shard in existing.ids if run.shard_file(shard) not in there}
        if not missing:
            return existing, True
    dataset = parse_dataset(data, request.dataset, request.split, roots=request.roots, show_names=request.show_names)
    del data
    if existing is not None:
        _write_missing(store, dataset, request, existing, missing)
        return existing, False
    return _write_all(store, dataset, request), False


def _existing(store: Store) -> ShardIndex | None:
    try:
        return read_index(store)
    except MissingError:
        return None


def _require_same(index: ShardIndex, sha256: str, request: SplitRequest, store: Store) -> None:
    most = index.dataset.images if request.policy == REFERENCE else index.samples
    roots = request.roots
    asked = {
        "dataset": ((index.dataset.sha256, index.roots[:1]), (sha256, roots.folders[:1])),
        "split": (index.split, request.split),
        "policy": (index.policy, request.policy),
        "number of shards": (len(index.shards), min(request.shards, most)),
        "list of allowed roots": (index.roots[1:], roots.folders[1:]),
        "list of allowed web servers": (index.http_hosts, roots.http_hosts),
    }
    others = [name for name, (there, wanted) in asked.items() if there != wanted]
    if others:
        raise DataError(
            f"{store.root.for_person()}: was split already, with another {', another '.join(others)}; "
            "give another --run, or the same options as then"
        )


def _write_all(store: Store, dataset: Dataset, request: SplitRequest) -> ShardIndex:
    folder = store.root.join(run.SHARDS)
    made = cut(dataset, request.split, request.shards, policy=request.policy, folder=folder)
    entries = []
    labelled = 0
    for shard in made.shards:
        store.put(run.shard_file(shard.id), shard.data)
        labelled += shard.labelled
        entries.append(ShardEntry(shard.id, shard.samples, shard.cost, hashlib.sha256(shard.data).hexdigest()))
    index = ShardIndex(
        dataset=_facts(dataset),
        split=request.split,
        policy=request.policy,
        cost=made.cost,
        samples=sum(entry.samples for entry in entries),
        labelled=labelled,
        roots=request.roots.folders,
        http_hosts=request.roots.http_hosts,
        warnings=(*_warnings(dataset, request), *made.warnings),
        shards=tuple(entries),
        cases_per_part=run.cases_per_part(max((entry.samples for entry in entries), default=0)),
    )
    ours = {run.SHARD_INDEX, *(run.shard_file(entry.id) for entry in entries)}
    for key in list(store.list(run.SHARDS)):
        if key not in ours:
            store.delete(key)  # of a split with other options that was broken off
    store.put(run.SHARD_INDEX, index.to_json(folder))
    return index


def _write_missing(store: Store, dataset: Dataset, request: SplitRequest, index: ShardIndex, missing: set[str]) -> None:
    made = cut(dataset, request.split, request.shards, policy=request.policy, folder=store.root.join(run.SHARDS))
    for shard, entry in zip(made.shards, index.shards, strict=True):
        if shard.id not in missing:
            continue
        if hashlib.sha256(shard.data).hexdigest() != entry.sha256:
            raise DataError(
                f"{store.root.join(run.shard_file(shard.id)).for_person()}: is missing, and cannot be made again: "
                "images have other sizes than when the run was split; give another --run"
            )
        store.put(run.shard_file(shard.id), shard.data)


def _facts(dataset: Dataset) -> DatasetFacts:
    return DatasetFacts(
        sha256=dataset.sha256,
        name=dataset.name,
        description=dataset.description,
        task=dataset.task,
        images=len(dataset.samples),
        classes=dataset.classes,
        features=dataset.features,
    )


def _warnings(dataset: Dataset, request: SplitRequest) -> tuple[str, ...]:
    more = []
    if request.policy == REFERENCE:
        more.append(FOR_COMPARISON)
    if request.split == ALL and dataset.split and ALL not in dataset.split:
        more.append(f"every image is inferred, whatever split it is in ({', '.join(dataset.split)})")
    return (*dataset.warnings, *more)
