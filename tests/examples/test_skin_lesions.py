"""Drawn skin lesions: the same JPEGs segmented and classified, in the layouts of the real files, to two reports."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from examples.skin_lesions.__main__ import main
from examples.skin_lesions.images import CLASSES, CLASSIFICATION, COUNT, SEGMENTATION
from imaging_core.dataset.dtd import read_dataset
from imaging_core.dataset.sample import Dataset
from imaging_core.store import Location
from steps import gather
from tests.small_run import infer, make_bundle, split


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("skin")
    main(["--out", str(folder)])
    return folder


@pytest.fixture(scope="module")
def masks(folder: Path) -> Dataset:
    return read_dataset(Location.parse(str(folder / SEGMENTATION)), "test")


@pytest.fixture(scope="module")
def kinds(folder: Path) -> Dataset:
    return read_dataset(Location.parse(str(folder / CLASSIFICATION)), "test")


def test_both_files_are_of_the_same_images_and_splits(masks: Dataset, kinds: Dataset) -> None:
    assert (masks.task, kinds.task) == ("segmentation", "classification")
    assert [sample.locations for sample in masks.samples] == [sample.locations for sample in kinds.samples]
    assert masks.split == kinds.split
    assert (masks.warnings, kinds.warnings) == ((), ())
    for part in kinds.split.values():
        assert len(set(Counter(kinds.samples[index].label for index in part).values())) == 1


def test_lesions_are_darker_than_the_skin_around_them(folder: Path, masks: Dataset) -> None:
    for sample in masks.samples[::10]:
        assert isinstance(sample.label, str)
        image, mask = (np.asarray(Image.open(folder / path)) for path in (sample.locations[0], sample.label))
        assert Image.open(folder / sample.locations[0]).format == "JPEG"
        assert image.shape == (*mask.shape, 3)
        assert set(np.unique(mask)) == {0, 255}
        assert image[mask > 0].mean() < 0.8 * image[mask == 0].mean()


def test_the_same_bytes_every_time(folder: Path, tmp_path: Path) -> None:
    main(["--out", str(tmp_path)])
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert len(files) == 2 * COUNT + 2
    assert all((folder / path).read_bytes() == (tmp_path / path).read_bytes() for path in files)


def test_it_says_what_it_is_worth(masks: Dataset, kinds: Dataset) -> None:
    assert all("proves the path, not a model" in each.description for each in (masks, kinds))


@pytest.mark.parametrize(
    ("file", "task", "kind", "classes", "metric"),
    [
        (SEGMENTATION, "segmentation", "binary", ["lesion"], "iou"),
        (CLASSIFICATION, "classification", "multiclass", CLASSES, "accuracy"),
    ],
)
def test_from_images_to_a_report(
    folder: Path, tmp_path: Path, file: str, task: str, kind: str, classes: list[str], metric: str
) -> None:
    make_bundle(tmp_path / "model", task, kind, classes)
    split(folder / file, tmp_path / "run", 2)
    for shard in ("000", "001"):
        infer(tmp_path / "run", tmp_path / "model", shard)
    assert gather.main(["--run", str(tmp_path / "run")]) == 0
    metrics = json.loads((tmp_path / "run/report/metrics.json").read_text())
    assert metrics["cases"]["scored"] == 60
    assert 0 <= metrics["metrics"][metric]["mean"] <= 1
