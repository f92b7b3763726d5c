"""The digits: scikit-learn's scans, whole and in place, dealt out so that every part holds every digit."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from examples.digits.__main__ import main
from imaging_core.dataset.dtd import read_dataset
from imaging_core.dataset.sample import Dataset
from imaging_core.store import Location


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    main(["--out", str(folder)])
    return folder


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return read_dataset(Location.parse(str(folder / "digits.yml")), "test")


def test_every_scan_comes_back_with_its_label(folder: Path, dataset: Dataset) -> None:
    digits = load_digits()
    assert dataset.classes == tuple("0123456789")
    assert len(dataset.samples) == 1797
    for sample, scan, digit in zip(dataset.samples, digits.images, digits.target, strict=True):
        image = Image.open(folder / sample.locations[0])
        assert (image.mode, image.size, sample.label) == ("L", (8, 8), (digit,))
        np.testing.assert_array_equal(np.rint(np.asarray(image) * (16 / 255)), scan)


def test_every_image_is_in_one_part_and_every_part_holds_its_share_of_each_digit(dataset: Dataset) -> None:
    indices = [index for part in dataset.split.values() for index in part]
    assert sorted(indices) == list(range(1797))
    everywhere = Counter(sample.label for sample in dataset.samples)
    for name, share in {"training": 0.6, "validation": 0.2, "test": 0.2}.items():
        here = Counter(dataset.samples[index].label for index in dataset.split[name])
        for label, count in everywhere.items():
            assert abs(here[label] - share * count) <= 1


def test_writing_again_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    main(["--out", str(tmp_path)])
    paths = sorted(path.relative_to(folder) for path in folder.rglob("*.*"))
    assert paths == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.*"))
    assert all((folder / path).read_bytes() == (tmp_path / path).read_bytes() for path in paths)
