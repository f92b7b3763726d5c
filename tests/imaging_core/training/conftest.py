"""Small real datasets: folders of PNG files with their dataset files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image

from imaging_core.dataset.dtd import read_dataset
from imaging_core.dataset.roots import Roots
from imaging_core.models.card import UNPACKED, Card, make_card
from imaging_core.store import Location
from imaging_core.training.splits import Material, choose_splits

SPLIT = {"training": [0, 1], "validation": [2]}


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Small networks gain nothing from more, and test processes share the cores."""
    torch.set_num_threads(1)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """``write(images, labels, classes=…, split=…)``: arrays, with labels or mask arrays, to PNG and DTD files."""

    def write(
        images: list[NDArray[Any]],
        labels: list[Any],
        classes: list[str] | None = None,
        split: dict[str, list[int]] | None = None,
    ) -> Path:
        entries = []
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            Image.fromarray(image).save(tmp_path / f"{index}.png")
            if isinstance(label, np.ndarray):
                Image.fromarray(label).save(tmp_path / f"mask{index}.png")
                label = f"mask{index}.png"
            entries.append({"location": f"{index}.png"} | ({} if label is None else {"label": label}))
        values: dict[str, Any] = {"name": "small", "images": entries, "split": split or SPLIT}
        path = tmp_path / "small.yml"
        path.write_text(yaml.safe_dump(values | ({"classes": classes} if classes else {})))
        return path

    return write


def read_material(path: Path, *allowed: Location) -> Material:
    dataset = read_dataset(Location.parse(str(path)))
    return choose_splits(dataset, Roots((dataset.location.parent, *allowed)), "training", "validation")


@pytest.fixture
def material() -> Callable[..., Material]:
    """``material(path, *allowed)``: the splits training and validation of a dataset file."""
    return read_material


@pytest.fixture
def make_card_for() -> Callable[..., Card]:
    """``make(kind, classes, task=…, **input)``: a draft card."""

    def make(kind: str, classes: int, task: str = "classification", ignore: int | None = None, **seen: Any) -> Card:
        names = ["lesion"] if kind == "binary" and task == "segmentation" else [f"class {n}" for n in range(classes)]
        values = {
            "name": "x",
            "task": task,
            "architecture": {"name": "lenet5" if task == "classification" else "unet"},
            "input": {"height": 16, "width": 16, "channels": 1} | seen,
            "batch": 4,
            "output": {
                "kind": kind,
                "activation": "softmax" if kind == "multiclass" else "sigmoid",
                "classes": names,
                "ignore": ignore,
            },
            "weights": UNPACKED.model_dump(),
        }
        return make_card(values, "card")

    return make
