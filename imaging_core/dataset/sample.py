"""A dataset as its DTD file describes it, without pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from imaging_core.store.location import Location

Task = Literal["classification", "segmentation"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One entry of ``images``.

    Attributes:
        locations: as written; several are the planes of one image or the files of one volume.
        label: class indices (classification; several for a multi-label sample), the path of a mask (segmentation), or
            None without ground truth.
        values: one per feature, None where absent.
    """

    locations: tuple[str, ...]
    label: tuple[int, ...] | str | None = None
    values: tuple[str | int | float | bool | None, ...] = ()


@dataclass(frozen=True, slots=True)
class ShardSource:
    """What a shard was cut from.

    Attributes:
        sha256: digest of the dataset file's bytes.
        images: how many images the dataset file lists, in or out of the split.
        indices: for each image of the shard, its index in the dataset.
        split: the split that was asked for; None stands for every image of the shard.
    """

    sha256: str
    images: int
    indices: tuple[int, ...]
    split: str | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset or a shard of one.

    Attributes:
        location: where the file lies; its folder is what relative locations start from.
        sha256: digest of the file's bytes.
        samples: the entries of ``images``, in order.
        split: name to indices into ``samples``, in the file's order.
        source: for a shard, what it was cut from.
        warnings: what was read all the same, in words.
    """

    location: Location
    sha256: str
    name: str
    description: str
    classes: tuple[str, ...]
    features: tuple[str, ...]
    samples: Sequence[Sample]
    split: Mapping[str, Sequence[int]]
    source: ShardSource | None = None
    warnings: tuple[str, ...] = field(default=())

    @property
    def task(self) -> Task:
        """What the labels are: class indices or masks; without labels, classification when there are classes.

        ECVL takes every dataset with classes for classification; where all labels are masks, they name what these show.
        """
        labels = (sample.label for sample in self.samples if sample.label is not None)
        first = next(labels, None)
        if first is None:
            return "classification" if self.classes else "segmentation"
        if isinstance(first, str) and self.classes:
            return "classification" if any(isinstance(label, tuple) for label in labels) else "segmentation"
        return "classification" if isinstance(first, tuple) else "segmentation"

    def resolve(self, text: str) -> Location:
        """The full location of a path as a sample writes it."""
        return Location.parse(text, self.location.parent)
