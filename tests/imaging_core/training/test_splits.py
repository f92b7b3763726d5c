"""Splits: two that share nothing with each other nor with the test images; what the dataset lets a network answer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imaging_core.dataset.dtd import read_dataset
from imaging_core.dataset.roots import Roots
from imaging_core.errors import DataError, UsageError
from imaging_core.store import Location
from imaging_core.training.splits import Material, answer, choose_splits

Write = Callable[..., Path]
IMAGES = [np.full((4, 4), level, np.uint8) for level in range(6)]


def choose(path: Path, training: str = "training", validation: str = "validation") -> Material:
    dataset = read_dataset(Location.parse(str(path)))
    return choose_splits(dataset, Roots((dataset.location.parent,)), training, validation)


def test_splits_are_taken_by_name(write: Write) -> None:
    path = write(IMAGES, [0] * 6, ["a", "b"], {"fold 1": [4, 0], "fold 2": [5], "test": [1]})
    material = choose(path, "fold 1", "fold 2")
    assert (material.training.indices, material.validation.indices) == ((4, 0), (5,))


@pytest.mark.parametrize(
    ("split", "names", "error", "message"),
    [
        ({"training": [0]}, ("training", "validation"), UsageError, "no split 'validation'; it has: training"),
        ({"training": [0], "validation": [1]}, ("training", "training"), UsageError, "take two splits other than"),
        ({"training": [0], "test": [1]}, ("training", "test"), UsageError, "take two splits other than 'test'"),
        ({"a": [0, 1], "b": [1, 2]}, ("a", "b"), DataError, r"a and b share 1 images \(indices 1\)"),
        ({"a": [0], "b": [1], "test": [2, 1]}, ("a", "b"), DataError, r"b and test share 1 images \(indices 1\)"),
        ({"a": [0, 2], "b": [1], "test": [0, 2]}, ("a", "b"), DataError, r"a and test share 2 images \(indices 0, 2\)"),
    ],
)
def test_splits_that_would_deceive_are_refused(
    write: Write, split: dict[str, list[int]], names: tuple[str, str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        choose(write(IMAGES, [0] * 6, ["a", "b"], split), *names)


@pytest.mark.parametrize(
    ("labels", "classes", "asked", "kind", "answers"),
    [
        ([0, 1, 1], ["a", "b"], (None, None), "multiclass", ["a", "b"]),
        ([0, 1, 1], ["a", "b"], ("binary", None), "binary", ["a", "b"]),
        ([0, [0, 1], 1], ["a", "b"], (None, None), "multilabel", ["a", "b"]),
        ([0, 2, 1], None, (None, None), "multiclass", ["0", "1", "2"]),
        ([IMAGES[0]] * 3, None, (None, None), "binary", ["foreground"]),
        ([IMAGES[0]] * 3, ["back", "white", "grey"], (None, None), "multiclass", ["back", "white", "grey"]),
        ([IMAGES[0]] * 3, None, (None, ("lesion",)), "binary", ["lesion"]),
        ([IMAGES[0]] * 3, None, (None, ("none", "a", "b")), "multiclass", ["none", "a", "b"]),
        ([IMAGES[0]] * 3, None, ("multilabel", ("a", "b")), "multilabel", ["a", "b"]),
    ],
)
def test_the_dataset_says_what_to_answer(
    write: Write, labels: list[Any], classes: list[str] | None, asked: tuple[Any, Any], kind: str, answers: list[str]
) -> None:
    said = answer(choose(write(IMAGES[:3], labels, classes)), *asked)
    assert (said["kind"], list(said["classes"])) == (kind, answers)


def test_options_that_do_not_fit_the_dataset_are_refused(write: Write) -> None:
    material = choose(write(IMAGES[:3], [0, 1, 2], ["a", "b", "c"]))
    with pytest.raises(UsageError, match="--kind binary needs two classes, negative and positive; this dataset has 3"):
        answer(material, "binary", None)
    with pytest.raises(UsageError, match="--classes is for masks"):
        answer(material, None, ("a", "b", "c"))
