"""``shards/index.json``, which is written last: its presence means that the split is complete. And reading shards."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast, get_args

from imaging_core import run
from imaging_core.dataset.dtd import parse_dataset
from imaging_core.dataset.roots import Roots
from imaging_core.dataset.sample import Dataset, ShardSource, Task
from imaging_core.dataset.samples import Samples
from imaging_core.errors import DataError, MissingError
from imaging_core.store import Location, Reader

BALANCED = "balanced"
REFERENCE = "reference"
POLICIES = (BALANCED, REFERENCE)


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """What the index says of the dataset that was cut."""

    sha256: str
    name: str
    description: str
    task: Task
    images: int
    classes: tuple[str, ...]
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShardEntry:
    """One shard: its id, how many samples it holds, what they cost, and the digest of its file."""

    id: str
    samples: int
    cost: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """All shards of a run.

    Attributes:
        dataset: what was cut.
        split: the requested split.
        policy: ``balanced``, or ``reference`` (for comparison only).
        cost: the unit of the shards' costs, ``bytes`` or ``samples``.
        samples: how many samples all shards hold.
        labelled: how many of them have a ground truth; when some have, the others miss theirs.
        roots: where images and masks may lie, the dataset's own folder first.
        http_hosts: web servers on which they may lie.
        warnings: what was found in the dataset and read all the same.
        shards: in the order of their ids.
        cases_per_part: how many cases a part of each shard's ledger holds.
    """

    dataset: DatasetFacts
    split: str
    policy: str
    cost: str
    samples: int
    labelled: int
    roots: tuple[Location, ...]
    http_hosts: tuple[str, ...]
    warnings: tuple[str, ...]
    shards: tuple[ShardEntry, ...]
    cases_per_part: int

    @property
    def allowed(self) -> Roots:
        """Where images and masks may be read from."""
        return Roots(self.roots, self.http_hosts)

    def parts(self, cases: int) -> run.Parts:
        """Where the ledger of a shard of so many cases is cut."""
        return run.Parts(cases, self.cases_per_part)

    @property
    def ids(self) -> list[str]:
        """The ids of the shards."""
        return [shard.id for shard in self.shards]

    def to_json(self, folder: Location) -> bytes:
        """The bytes of the file that lies in ``folder``; locations are written relative to it inside one store."""
        return run.to_json(
            {
                "format": 1,
                "dataset": _plain(self.dataset),
                "split": self.split,
                "policy": self.policy,
                "cost": self.cost,
                "samples": self.samples,
                "labelled": self.labelled,
                "roots": [root.relative_to(folder) for root in self.roots],
                "http_hosts": list(self.http_hosts),
                "warnings": list(self.warnings),
                "cases_per_part": self.cases_per_part,
                "shards": [_plain(shard) for shard in self.shards],
            }
        )


def read_index(store: Reader) -> ShardIndex:
    """The index of the run in ``store``.

    Raises:
        MissingError: nothing was split there.
        DataError: the index is damaged.
    """
    where = store.root.join(run.SHARD_INDEX)
    try:
        data = store.get(run.SHARD_INDEX)
    except MissingError as error:
        raise MissingError(f"{where}: no such file; is this a run, and was it split?") from error
    try:
        value = _Fields(json.loads(data))
        if value.take("format", int) != 1:
            raise ValueError("its format is not 1; was it written by another version?")
        index = _index(value, where.parent)
    except (ValueError, RecursionError, DataError) as error:
        what = f"{where.for_person()}: not a shard index ({error})"
        raise DataError(f"{what}; delete {run.SHARDS} and split again") from error
    return index


T = TypeVar("T")


class _Fields:
    """A JSON object of which every value that is taken has the expected type."""

    def __init__(self, value: object) -> None:
        if not isinstance(value, dict):
            raise ValueError("an object is expected")
        self._value = value

    def take(self, name: str, kind: type[T], default: T | None = None) -> T:
        """The value of a field; ValueError when it is missing without a default, or of another type."""
        value = self._value.get(name, default)
        if type(value) is not kind or (kind is int and value < 0):  # type: ignore[operator]
            raise ValueError(f"{name} is missing or not what is expected")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A field that is a list of texts."""
        values = self.take(name, list)
        if not all(type(value) is str for value in values):
            raise ValueError(f"{name} is not a list of texts")
        return tuple(values)


def _index(value: _Fields, folder: Location) -> ShardIndex:
    facts = _Fields(value.take("dataset", dict))
    task = facts.take("task", str)
    if task not in get_args(Task):
        raise ValueError(f"task {task!r} is unknown")
    shards = tuple(
        ShardEntry(
            shard.take("id", str), shard.take("samples", int), shard.take("cost", int), shard.take("sha256", str)
        )
        for shard in map(_Fields, value.take("shards", list))
    )
    index = ShardIndex(
        dataset=DatasetFacts(
            sha256=facts.take("sha256", str),
            name=facts.take("name", str),
            description=facts.take("description", str),
            task=cast(Task, task),
            images=facts.take("images", int),
            classes=facts.texts("classes"),
            features=facts.texts("features"),
        ),
        split=value.take("split", str),
        policy=value.take("policy", str),
        cost=value.take("cost", str),
        samples=value.take("samples", int),
        labelled=value.take("labelled", int, 0),
        roots=tuple(Location.parse(each, folder) for each in value.texts("roots")),
        http_hosts=value.texts("http_hosts"),
        warnings=value.texts("warnings"),
        shards=shards,
        cases_per_part=value.take("cases_per_part", int, run.FORMER_CASES_PER_PART),
    )
    if not index.cases_per_part:
        raise ValueError("cases_per_part is 0")
    if not index.roots or index.ids != [run.shard_id(number, len(shards)) for number in range(len(shards))]:
        raise ValueError("its roots or the ids of its shards are not complete")
    return index


def read_shard(store: Reader, shard: str, *, show_names: bool = True) -> Dataset:
    """The shard of that id, with its ``source``, and of its images those that are to be inferred.

    Args:
        store: the run.
        shard: its id.
        show_names: whether errors may show file names.

    Raises:
        MissingError: there is no such shard.
        DataError: its file is damaged.
    """
    if not (shard.isascii() and shard.isdigit()):
        raise MissingError(f"{store.root.for_person()}: no shard {shard!r}{_known(store)}")
    key = run.shard_file(shard)
    where = store.root.join(key)
    try:
        data = store.get(key)
    except MissingError as error:
        raise MissingError(f"{where.for_person()}: no such shard{_known(store)}") from error
    dataset = parse_dataset(data, where, show_names=show_names)
    if dataset.source is None:
        what = "does not say which cases its samples are; delete it and split again, with the same options"
        raise DataError(f"{where.for_person()}: {what}")
    return _requested(dataset, dataset.source)


def case_ids(shard: Dataset) -> list[str]:
    """The ids of a shard's cases, in its order."""
    if shard.source is None:
        raise ValueError("not a shard")
    return [run.case_id(index, shard.source.images) for index in shard.source.indices]


def _requested(shard: Dataset, source: ShardSource) -> Dataset:
    """Only policy ``reference`` makes shards that hold more than the requested split."""
    if source.split is None or len(shard.split.get(source.split, ())) == len(shard.samples):
        return shard
    places = shard.split.get(source.split, ())
    indices = tuple(source.indices[place] for place in places)
    return replace(
        shard,
        samples=Samples.of(shard.samples).take(places),
        split={source.split: range(len(places))},
        source=replace(source, indices=indices),
    )


def _known(store: Reader) -> str:
    try:
        ids: Iterable[str] = read_index(store).ids
    except DataError:
        return "; split first"
    shown = list(ids)
    return f"; there are {shown[0]} to {shown[-1]}" if shown else ""


def _plain(facts: DatasetFacts | ShardEntry) -> dict[str, Any]:
    return {name: getattr(facts, name) for name in facts.__dataclass_fields__}
