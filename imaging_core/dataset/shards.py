"""Cuts a dataset into shards, each a dataset file by itself that lies in another folder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from imaging_core import run
from imaging_core.dataset.balance import balance
from imaging_core.dataset.index import REFERENCE
from imaging_core.dataset.reference_policy import groups, reassigned
from imaging_core.dataset.relocate import Relocation
from imaging_core.dataset.sample import Dataset, ShardSource
from imaging_core.dataset.samples import Samples
from imaging_core.dataset.splits import ALL
from imaging_core.dataset.write import write_dataset
from imaging_core.errors import ConfigurationError
from imaging_core.store import Location, sizes

FIRST_LOOKED_UP = 16


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard, ready to be written.

    Attributes:
        id: zero-padded.
        data: the bytes of its dataset file.
        samples: how many images of it are to be inferred.
        labelled: how many of those have a ground truth.
        cost: what inferring them costs, in the unit of :attr:`Cut.cost`.
    """

    id: str
    data: bytes
    samples: int
    labelled: int
    cost: int


@dataclass(frozen=True, slots=True)
class Cut:
    """A dataset, cut.

    Attributes:
        cost: ``bytes`` where the length of every image is known, else ``samples``.
        warnings: why lengths could not be looked up.
        shards: made one after the other, so that only one is in memory.
    """

    cost: str
    warnings: tuple[str, ...]
    shards: Iterator[Shard]


def cut(dataset: Dataset, split: str, shards: int, *, policy: str, folder: Location) -> Cut:
    """Cut the requested split of a dataset into shards of nearly the same cost.

    Args:
        dataset: read with this ``split``.
        split: a split's name; ``all`` takes every image, unless a split has this name.
        shards: how many to make; no more are made than there are images.
        policy: ``balanced``, or ``reference`` for the groups of DeepHealth's original split-yaml.
        folder: where the shards' files will lie.
    """
    relocation = Relocation(dataset, folder)
    if policy == REFERENCE:
        return Cut("samples", (), _reference_shards(dataset, split, shards, relocation))
    whole = split == ALL and ALL not in dataset.split
    indices = range(len(dataset.samples)) if whole else sorted(dataset.split[split])
    warnings: tuple[str, ...] = ()
    try:
        costs = _bytes_of(dataset, indices)
    except ConfigurationError as error:  # reading images may be allowed where listing them is not
        costs, warnings = None, (f"shards are balanced by the number of images, their sizes are not known: {error}",)
    unit = "samples" if costs is None else "bytes"
    made = _balanced_shards(dataset, split, indices, costs or [1] * len(indices), shards, relocation)
    return Cut(unit, warnings, made)


def _balanced_shards(
    dataset: Dataset, split: str, indices: Sequence[int], costs: Sequence[int], shards: int, relocation: Relocation
) -> Iterator[Shard]:
    dealt = balance(costs, shards)
    for number, places in enumerate(dealt):
        members = [indices[place] for place in places]
        source = ShardSource(dataset.sha256, len(dataset.samples), tuple(members))
        moved = relocation.samples(members)
        part = replace(dataset, samples=moved, split={split: range(len(members))}, source=source)
        data = write_dataset(part, {})
        cost = sum(costs[place] for place in places)
        yield Shard(run.shard_id(number, len(dealt)), data, len(members), _labelled(moved), cost)


def _reference_shards(dataset: Dataset, split: str, shards: int, relocation: Relocation) -> Iterator[Shard]:
    images = len(dataset.samples)
    parts = groups(images, shards)
    for number, members in enumerate(parts):
        named: dict[str, Sequence[int]] = dict(reassigned(dataset.split, images, len(members)))
        requested = named.setdefault(split, range(len(members)))
        source = ShardSource(dataset.sha256, images, tuple(members), split)
        moved = relocation.samples(members)
        part = replace(dataset, samples=moved, split=named, source=source)
        data = write_dataset(part, {"policy": REFERENCE})
        count = len(requested)
        yield Shard(run.shard_id(number, len(parts)), data, count, _labelled(moved.take(requested)), count)


def _labelled(samples: Samples) -> int:
    return len(samples) - samples.labels.count(None)


def _bytes_of(dataset: Dataset, indices: Sequence[int]) -> list[int] | None:
    """The length in bytes of each image, its planes together; None unless all are known."""
    few = [dataset.resolve(text) for index in indices[:FIRST_LOOKED_UP] for text in dataset.samples[index].locations]
    if len(sizes(few)) < len(set(few)):
        return None  # looking up a few spares looking up a million that are not there
    locations = [tuple(map(dataset.resolve, dataset.samples[index].locations)) for index in indices]
    known = sizes({each for planes in locations for each in planes})
    if any(each not in known for planes in locations for each in planes):
        return None
    return [sum(known[each] for each in planes) for planes in locations]
