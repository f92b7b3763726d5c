"""The averaged brain: nilearn's slices and masks, whole, with gaps between the parts; a U-Net learns from them."""

import json
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from nilearn.datasets import load_mni152_template, load_mni152_wm_template
from PIL import Image

from examples.segmentation.__main__ import main
from imaging_core.dataset.dtd import read_dataset
from imaging_core.dataset.sample import Dataset
from imaging_core.store import Location
from steps.train import main as train

SMALL = ["--architecture", "unet", "--parameter", "width=4", "--parameter", "depth=2", "--input-size", "64x56"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("brain")
    main(["--out", str(folder)])
    return folder


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return read_dataset(Location.parse(str(folder / "brain.yml")), "test")


def test_images_are_slices_of_the_template_and_masks_its_white_matter(folder: Path, dataset: Dataset) -> None:
    head, white = (load(resolution=1).get_fdata() for load in (load_mni152_template, load_mni152_wm_template))
    assert dataset.task == "segmentation"
    for sample in dataset.samples:
        assert isinstance(sample.label, str)
        z = int(Path(sample.locations[0]).stem)
        image, mask = (np.asarray(Image.open(folder / path)) for path in (sample.locations[0], sample.label))
        assert image.dtype == mask.dtype == np.uint8
        np.testing.assert_allclose(np.rot90(image, -1), head[:, :, z] * 255, atol=0.51)
        np.testing.assert_array_equal(np.rot90(mask, -1), (white[:, :, z] >= 0.5) * 255)
        assert 0.01 <= (mask == 255).mean() <= 0.5


def test_no_slice_has_a_neighbour_in_another_part(dataset: Dataset) -> None:
    levels = {
        name: [int(Path(dataset.samples[index].locations[0]).stem) for index in part]
        for name, part in dataset.split.items()
    }
    assert {name: len(part) for name, part in levels.items()} == {"training": 53, "validation": 18, "test": 12}
    for first, second in combinations(levels.values(), 2):
        assert min(abs(a - b) for a, b in product(first, second)) > 3


def test_it_says_what_it_is_worth(dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    assert "one averaged brain" in dataset.description
    assert "proves the path, not a model" in dataset.description
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "One averaged brain: this proves the path from images to metrics, not a model." in capsys.readouterr().out


def test_a_unet_learns_white_matter(folder: Path, tmp_path: Path) -> None:
    how = ["--channels", "1", "--batch", "4", "--epochs", "8", "--learning-rate", "0.02", "--device", "cpu"]
    train(["--dataset", str(folder / "brain.yml"), *SMALL, *how, "--out", str(tmp_path)])
    curves = json.loads((tmp_path / "learning_curves.json").read_text())
    assert curves["epochs"][curves["best_epoch"] - 1]["validation_score"] > 0.75
