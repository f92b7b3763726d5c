"""Which samples are learned from, which decide when to stop, and what the network has to answer. Torch-free."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from imaging_core.dataset.roots import Roots
from imaging_core.dataset.sample import Dataset
from imaging_core.errors import DataError, UsageError

TEST = "test"


@dataclass(frozen=True, slots=True)
class Split:
    """A named part of a dataset: indices into its samples."""

    name: str
    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Material:
    """What a network learns.

    Attributes:
        dataset: of which the splits are parts.
        roots: where its images and masks may lie.
        training: learned from.
        validation: decides when to stop and which weights are kept.
    """

    dataset: Dataset
    roots: Roots
    training: Split
    validation: Split


def choose_splits(dataset: Dataset, roots: Roots, training: str, validation: str) -> Material:
    """Take two splits by their names.

    Raises:
        UsageError: a name is not one of the dataset's, or both are the same or ``test``.
        DataError: a split is empty, or shares images with the other one or with ``test``.
    """
    if TEST in (training, validation) or training == validation:
        raise UsageError(f"training on {training!r}, stopping on {validation!r}: take two splits other than {TEST!r}")
    chosen = [Split(name, _indices(dataset, name)) for name in (training, validation)]
    test = Split(TEST, tuple(dataset.split.get(TEST, ())))
    for first, second in ((chosen[0], chosen[1]), (chosen[0], test), (chosen[1], test)):
        if shared := sorted(set(first.indices) & set(second.indices)):
            shown = ", ".join(map(str, shown_of(shared)))
            raise DataError(
                f"{dataset.location}: splits {first.name} and {second.name} share {len(shared)} images "
                f"(indices {shown}); what is tested or validated must not be learned: mend the splits"
            )
    return Material(dataset, roots, *chosen)


def shown_of(indices: Sequence[int], most: int = 10) -> list[int | str]:
    """The first of many, for a message."""
    return [*indices[:most], *(["…"] if len(indices) > most else [])]


def answer(material: Material, kind: str | None, classes: tuple[str, ...] | None) -> dict[str, Any]:
    """The card's ``kind`` and ``classes``: as given, else as the dataset has them.

    A dataset with classes is multilabel when some sample of the two splits has not exactly one of them, else
    multiclass. One with masks is binary unless several classes are given, or named by the dataset.

    Raises:
        UsageError: what is given does not fit the dataset.
    """
    dataset = material.dataset
    if dataset.task == "segmentation":
        names = classes or dataset.classes or ("foreground",)
        return {"kind": kind or ("binary" if len(names) == 1 else "multiclass"), "classes": names}
    if classes:
        raise UsageError("--classes is for masks; this dataset names its classes itself")
    indices = material.training.indices + material.validation.indices
    labels = [dataset.samples[index].label for index in indices]
    own = [label for label in labels if isinstance(label, tuple)]
    names = dataset.classes or tuple(
        str(n) for n in range(1 + max((max(label, default=0) for label in own), default=0))
    )
    kind = kind or ("multiclass" if all(len(label) == 1 for label in own) else "multilabel")
    if kind == "binary" and len(names) != 2:
        raise UsageError(f"--kind binary needs two classes, negative and positive; this dataset has {len(names)}")
    return {"kind": kind, "classes": names}


def _indices(dataset: Dataset, name: str) -> tuple[int, ...]:
    if name not in dataset.split:
        known = ", ".join(dataset.split) or "none"
        raise UsageError(f"{dataset.location}: has no split {name!r}; it has: {known}")
    indices = tuple(dataset.split[name])
    if not indices:
        raise DataError(f"{dataset.location}: split {name} is empty")
    return indices
