"""A case before it is inferred: where its files lie, and what is true of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from imaging_core.decode.case import Decoder, Limits
from imaging_core.decode.reading import Role, read_whole
from imaging_core.inference.side_by_side import AT_ONCE, side_by_side
from imaging_core.store import Source
from imaging_core.store.memory import MemorySource


@dataclass(slots=True)
class Truth:
    """Ground truth: a mask file, class indices, or neither.

    Attributes:
        mask: the file.
        label: the class indices, ascending.
        images: the case's own files, which a DICOM segmentation refers to; only where there is a mask.
    """

    mask: Source | None = None
    label: tuple[int, ...] | None = None
    images: tuple[Source, ...] = ()

    @property
    def known(self) -> bool:
        """Whether there is any."""
        return self.mask is not None or self.label is not None


@dataclass(slots=True)
class Task:
    """One case to infer.

    Attributes:
        position: in the shard.
        case: its id.
        images: its files.
        truth: its ground truth.
    """

    position: int
    case: str
    images: tuple[Source, ...]
    truth: Truth


def fetched(task: Task, limits: Limits, decoders: Sequence[Decoder]) -> Task:
    """The same task with its files in memory, except those that their decoder reads in pieces.

    Raises:
        CaseError: a file is missing, empty, too long, or the store does not give it; of several the first one's.
    """
    there = len(task.images) > 1 and all(isinstance(source, MemorySource) for source in task.images)
    threads = 1 if there else AT_ONCE
    images = tuple(side_by_side(task.images, lambda source: _fetch(source, limits, "image", decoders), threads))
    truth = task.truth
    if truth.mask is not None:
        truth = Truth(_fetch(truth.mask, limits, "mask", decoders), truth.label, images)
    return Task(task.position, task.case, images, truth)


def held_bytes(task: Task) -> int:
    """How many bytes a fetched task holds in memory."""
    sources = (*task.images, task.truth.mask)
    return sum([source.size() for source in sources if isinstance(source, MemorySource)])


def _fetch(source: Source, limits: Limits, role: Role, decoders: Sequence[Decoder]) -> Source:
    in_pieces = read_in_pieces(tuple(decoders))
    if in_pieces and source.location.suffix in in_pieces:
        return source
    return MemorySource(source.location, read_whole(source, limits, role))


@lru_cache
def read_in_pieces(decoders: tuple[Decoder, ...]) -> frozenset[str]:
    """The suffixes of files that are not to be fetched."""
    return frozenset[str]().union(*(decoder.suffixes for decoder in decoders if not decoder.whole))
