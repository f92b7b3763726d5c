"""1,797 scanned handwritten digits that scikit-learn ships (UCI, Alpaydin and Kaynak 1998), as a dataset."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from examples.dataset_file import write_dataset, write_png

SHARES = {"training": 0.6, "validation": 0.2, "test": 0.2}
SEED = 0


def write_digits(folder: Path) -> Path:
    """Write the digits as 8 x 8 grey PNG files with ``digits.yml``; returns its path. The same bytes every time.

    The scans have 17 grey values, 0 to 16; they are spread over 0 to 255. The split is random from a fixed seed, with
    the same share of every digit in each part; who wrote a digit is not known, so every part holds all writers.
    """
    digits = load_digits()
    locations = [f"images/{index:04d}.png" for index in range(len(digits.images))]
    for location, image in zip(locations, digits.images, strict=True):
        write_png(folder / location, np.rint(image * (255 / 16)).astype(np.uint8))
    path = folder / "digits.yml"
    write_dataset(
        path,
        name="digits",
        description="Scanned handwritten digits of 13 people, 8 x 8 pixels (UCI, optical recognition)",
        images=[
            {"location": location, "label": int(label)}
            for location, label in zip(locations, digits.target, strict=True)
        ],
        split=_stratified(digits.target),
        classes=[str(digit) for digit in range(10)],
    )
    return path


def _stratified(labels: NDArray[np.int64]) -> dict[str, list[int]]:
    """Deal out the images of each class in a random order, by :data:`SHARES`."""
    random = np.random.default_rng(SEED)
    split: dict[str, list[int]] = {name: [] for name in SHARES}
    ends = np.cumsum(list(SHARES.values()))
    for label in np.unique(labels):
        order = random.permutation(np.flatnonzero(labels == label))
        cuts = np.rint(ends[:-1] * len(order)).astype(int)
        for name, part in zip(SHARES, np.split(order, cuts), strict=True):
            split[name] += part.tolist()
    return {name: sorted(indices) for name, indices in split.items()}
