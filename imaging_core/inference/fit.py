"""Whether a dataset and a model belong together, before anything is inferred."""

from collections.abc import Sequence

from imaging_core.dataset.index import ShardIndex
from imaging_core.dataset.sample import Dataset, Sample
from imaging_core.errors import DataError, listing
from imaging_core.models.card import Card

MOST_MASK_CLASSES = 256
"""A multiclass mask is written in 8 bit."""


def check_fit(card: Card, index: ShardIndex, shard: Dataset, cases: Sequence[str]) -> None:
    """Refuse a model for another task, for other classes, or with fewer classes than the labels use.

    Args:
        card: the model's.
        index: of the run.
        shard: the shard.
        cases: the ids of its samples.

    Raises:
        DataError: they do not fit; both sides are named.
    """
    task, classes = index.dataset.task, index.dataset.classes
    guessed = not index.labelled and (task == "segmentation" or classes == card.output.classes)
    if task != card.task and not guessed:
        raise DataError(
            f"the dataset is for {task}, the model {card.name!r} for {card.task}; take a bundle with task: {task}"
        )
    if card.task == "segmentation":
        if card.output.kind == "multiclass" and len(card.output.classes) > MOST_MASK_CLASSES:
            raise DataError(f"model {card.name!r}: masks of more than {MOST_MASK_CLASSES} classes cannot be written")
        if card.output.kind != "binary":
            _check_classes(card, classes)
        return
    _check_classes(card, classes)
    _check_labels(card, shard.samples, cases)


def _check_classes(card: Card, classes: tuple[str, ...]) -> None:
    names = card.output.classes
    if not classes or names == classes:
        return
    if card.output.kind == "binary" and len(names) == 1 and len(classes) == 2 and classes[1] == names[0]:
        return  # the card names the positive class only
    reason = "in another order" if sorted(names) == sorted(classes) else "others"
    raise DataError(
        f"the classes of the dataset and of the model {card.name!r} are {reason}: the dataset has {_names(classes)}, "
        f"the model {_names(names)}; use the bundle that was trained for this dataset"
    )


def _check_labels(card: Card, samples: Sequence[Sample], cases: Sequence[str]) -> None:
    classes = 2 if card.output.kind == "binary" else len(card.output.classes)
    problems = []
    for case, sample in zip(cases, samples, strict=True):
        if not isinstance(sample.label, tuple):
            continue
        if sample.label and max(sample.label) >= classes:
            problems.append(f"case {case}: label {max(sample.label)}, but the model has classes 0 to {classes - 1}")
        elif len(sample.label) != 1 and card.output.kind != "multilabel":
            problems.append(
                f"case {case}: {len(sample.label)} labels, but a {card.output.kind} model gives exactly one"
            )
    if problems:
        raise DataError(listing(f"the labels do not fit the model {card.name!r}", problems))


def _names(classes: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in classes[:10])
    return shown if len(classes) <= 10 else f"{shown} and {len(classes) - 10} more"
