"""The cases that a run has to account for: what its shards hold, before any result is looked at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imaging_core import run
from imaging_core.dataset.document import Value
from imaging_core.dataset.index import ShardEntry, ShardIndex, read_index, read_shard
from imaging_core.dataset.sample import Dataset, Sample
from imaging_core.dataset.samples import Samples
from imaging_core.errors import DataError, UsageError
from imaging_core.metrics.groups import Grouping, grouping, patients
from imaging_core.store import Ahead, Location, Store

SPLIT_AGAIN = "delete shards/ and results/ and split again"

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Expected:
    """All cases of a run. Rows are its cases in ascending order.

    Attributes:
        index: the run's shard index.
        cases: int64, per row the case's index in the dataset.
        shard_rows: for each shard of the index the rows of its samples, in the shard's order.
        images: per row how the dataset calls the image; None when names were not asked for.
        patients: per row the number of its patient; None when nothing names the patients.
        groupings: the features that metrics are wanted by.
    """

    index: ShardIndex
    cases: NDArray[np.int64]
    shard_rows: tuple[Rows, ...]
    images: list[str] | None
    patients: Rows | None = None
    groupings: tuple[Grouping, ...] = ()

    def id(self, row: int) -> str:
        """The id of the case in a row."""
        return run.case_id(int(self.cases[row]), self.index.dataset.images)

    def ids(self, rows: Rows | None = None) -> list[str]:
        """The ids of the cases in these rows, or in all."""
        cases = self.cases if rows is None else self.cases[rows]
        return run.case_ids(cases.tolist(), self.index.dataset.images)


def read_expected(store: Store, *, names: bool, patient: str | None = None, group_by: Sequence[str] = ()) -> Expected:
    """Read the shard index and every shard.

    Args:
        store: the run.
        names: whether to keep how the dataset calls each image, and to show it in errors.
        patient: the feature that names the patient.
        group_by: features by which metrics are wanted.

    Raises:
        MissingError: there is no index, or a shard of it is missing.
        UsageError: the dataset has no such feature.
        DataError: two shards hold one case, or a shard does not fit the index.
    """
    index = read_index(store)
    features = {name: _place(name, index) for name in [*group_by, *([patient] if patient else [])]}
    values: dict[str, list[Value]] = {name: [] for name in features}
    indices: list[Rows] = []
    images: list[str] = []
    with Ahead(store, map(run.shard_file, index.ids)) as ahead:
        for entry in index.shards:
            shard = read_shard(ahead, entry.id, show_names=names)
            indices.append(_indices(shard, entry, index))
            for name, place in features.items():
                values[name] += [_value(sample, place) for sample in shard.samples]
            if names:
                images += image_names(shard, index.roots[0])
    concatenated = np.concatenate([np.zeros(0, dtype=np.int64), *indices])
    order = np.argsort(concatenated, kind="stable")
    cases = concatenated[order]
    ends = np.cumsum([len(each) for each in indices])
    twice = np.flatnonzero(cases[1:] == cases[:-1])
    if len(twice):
        first, second = (index.shards[int(np.searchsorted(ends, order[twice[0] + k], "right"))].id for k in (0, 1))
        case = run.case_id(int(cases[twice[0]]), index.dataset.images)
        raise DataError(f"case {case} is in shard {first} and in shard {second}; {SPLIT_AGAIN}")
    row_of = np.empty(len(order), dtype=np.int64)
    row_of[order] = np.arange(len(order))
    ordered = {name: [column[place] for place in order.tolist()] for name, column in values.items()}
    return Expected(
        index=index,
        cases=cases,
        shard_rows=tuple(np.split(row_of, ends[:-1])) if indices else (),
        images=[images[place] for place in order.tolist()] if names else None,
        patients=patients(ordered[patient]) if patient else None,
        groupings=tuple(grouping(name, ordered[name]) for name in group_by),
    )


def _place(feature: str, index: ShardIndex) -> int:
    known = index.dataset.features
    if feature not in known:
        has = f"its features are {', '.join(known)}" if known else "it has none"
        raise UsageError(f"the dataset has no feature {feature!r}; {has}")
    return known.index(feature)


def _value(sample: Sample, place: int) -> Value:
    return sample.values[place] if place < len(sample.values) else None


def image_names(shard: Dataset, folder: Location) -> list[str]:
    """How the dataset calls the images of a shard.

    Args:
        shard: a shard, whose relative locations start from the shards folder.
        folder: the dataset's own folder.

    Returns:
        Per sample a path relative to ``folder`` inside one store, else a full location, so the same wherever the run
        lies. An image of several files has the first one's name and how many more there are.
    """
    folders: dict[str, str] = {}
    names = []
    for written in Samples.of(shard.samples).locations:
        first, more = (written, 0) if isinstance(written, str) else (written[0], len(written) - 1)
        head, _, name = first.rpartition("/")
        if head not in folders:
            relative = shard.resolve(first).parent.relative_to(folder)
            folders[head] = "" if relative == "." else relative.rstrip("/") + "/"
        full = folders[head] + name
        names.append(f"{full} (+{more})" if more else full)
    return names


def _indices(shard: Dataset, entry: ShardEntry, index: ShardIndex) -> Rows:
    key = run.shard_file(entry.id)
    if shard.sha256 != entry.sha256:
        raise DataError(f"{key}: changed since the split (its digest is not the index's); {SPLIT_AGAIN}")
    if shard.source is None or not len(shard.source.indices) == len(shard.samples) == entry.samples:
        raise DataError(f"{key}: does not say which cases its samples are; {SPLIT_AGAIN}")
    indices = np.asarray(shard.source.indices, dtype=np.int64)
    if len(indices) and not (indices.min() >= 0 and indices.max() < index.dataset.images):
        raise DataError(f"{key}: a case index is not below {index.dataset.images}, the dataset's images; {SPLIT_AGAIN}")
    return indices
