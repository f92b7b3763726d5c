"""Writing a folder of PNG files and its dataset file (DTD)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image


def write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write height x width grey pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, format="PNG")


def write_dataset(
    path: Path,
    name: str,
    description: str,
    images: Sequence[Mapping[str, object]],
    split: Mapping[str, Sequence[int]],
    classes: Sequence[str] = (),
    features: Sequence[str] = (),
) -> None:
    """Write a dataset file, last: its presence means that the images are there.

    Args:
        path: of the file.
        name: of the dataset.
        description: one sentence.
        images: entries with ``location``, ``label`` and, where there are features, ``values``.
        split: name to indices into ``images``.
        classes: of a classification dataset.
        features: what ``values`` are of.
    """
    head = {"name": name, "description": description} | ({"classes": list(classes)} if classes else {})
    head |= {"features": list(features)} if features else {}
    lines = [yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=1000), "images:\n"]
    for entry in images:
        lines.append(f"  - location: {entry['location']}\n    label: {entry['label']}\n")
        lines += [f"    values: {entry['values']}\n"] if "values" in entry else []
    lines.append("split:\n")
    lines += [f"  {part}: [{', '.join(map(str, indices))}]\n" for part, indices in split.items()]
    path.write_text("".join(lines), encoding="utf-8")
