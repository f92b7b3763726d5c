"""Axial slices of the MNI152 T1 template, with masks of its white matter, as a dataset.

One averaged brain: this proves the path from images to metrics, not a model.
"""

from pathlib import Path

import numpy as np
from nilearn.datasets import load_mni152_template, load_mni152_wm_template
from numpy.typing import NDArray

from examples.dataset_file import write_dataset, write_png

BLOCKS = ("training", "training", "validation", "training", "test")
"""Slices are dealt out in blocks, over and over."""

BLOCK = 6
"""Neighbouring slices of one block, 1 mm each."""

GAP = 3
"""Slices left out between blocks, so that no slice has its neighbour in another part."""

LEAST_WHITE_MATTER = 0.01
"""Share of a slice's pixels; slices with less are left out."""


def write_slices(folder: Path) -> Path:
    """Write slices (8 bit, grey) and masks (0 and 255) as PNG files with ``brain.yml``; returns its path.

    The same bytes every time. Rows run from front to back, columns as the template's first axis.
    """
    head = np.asarray(load_mni152_template(resolution=1).dataobj, dtype=np.float32)
    white = np.asarray(load_mni152_wm_template(resolution=1).dataobj, dtype=np.float32) >= 0.5
    images: list[dict[str, str]] = []
    split: dict[str, list[int]] = {name: [] for name in dict.fromkeys(BLOCKS)}
    levels = [z for z in range(head.shape[2]) if white[:, :, z].mean() >= LEAST_WHITE_MATTER]
    for place, z in enumerate(levels):
        block, within = divmod(place, BLOCK + GAP)
        if within >= BLOCK:
            continue
        image, mask = f"images/{z:03d}.png", f"masks/{z:03d}.png"
        write_png(folder / image, _upright(np.rint(head[:, :, z] * 255).astype(np.uint8)))
        write_png(folder / mask, _upright(white[:, :, z].astype(np.uint8) * np.uint8(255)))
        split[BLOCKS[block % len(BLOCKS)]].append(len(images))
        images.append({"location": image, "label": mask})
    path = folder / "brain.yml"
    write_dataset(
        path,
        name="MNI152 white matter",
        description="Slices of one averaged brain (MNI152 T1) with its white matter: proves the path, not a model",
        images=images,
        split=split,
    )
    return path


def _upright(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """From x (left to right), y (back to front) to rows from front to back."""
    return np.ascontiguousarray(plane.T[::-1])
