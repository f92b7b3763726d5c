"""Drawn chest X-rays: all transfer syntaxes are there, a window makes them alike, and one command does the rest."""

from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
import pytest

from examples.xray import demo
from examples.xray.__main__ import main
from examples.xray.images import COUNT, draw
from imaging_core.dataset.dtd import read_dataset
from imaging_core.dataset.sample import Dataset
from imaging_core.decode.case import Limits
from imaging_core.decode.registry import decode_sample
from imaging_core.store import Location, open_source


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("xray")
    main(["--out", str(folder)])
    return folder


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return read_dataset(Location.parse(str(folder / "xray.yml")), "test")


def test_every_part_holds_both_classes_alike(dataset: Dataset) -> None:
    assert sorted(index for part in dataset.split.values() for index in part) == list(range(COUNT))
    for part in dataset.split.values():
        counts = Counter(dataset.samples[index].label for index in part)
        assert counts[(0,)] == counts[(1,)]


def test_files_differ_as_those_of_several_devices_do(folder: Path, dataset: Dataset) -> None:
    headers = [pydicom.dcmread(folder / sample.locations[0], stop_before_pixels=True) for sample in dataset.samples]
    assert len({header.file_meta.TransferSyntaxUID for header in headers}) == 5
    assert {header.PhotometricInterpretation for header in headers} == {"MONOCHROME1", "MONOCHROME2"}


def test_through_its_window_every_image_shows_what_was_drawn(folder: Path) -> None:
    for number in range(40):
        source = open_source(Location.parse(str(folder / f"images/{number:03d}.dcm")))
        shown = next(decode_sample([source], 1, Limits()).inputs).pixels[:, :, 0] / 65535
        random = np.random.default_rng(number)
        random.uniform(), random.uniform()  # exposure and darkness come first
        drawn = draw(random, effusion=bool(number % 2))
        expected = np.clip((drawn - 0.5) / 1.2 + 0.5, 0, 1)
        assert np.abs(shown - expected).max() < 0.01, number


def test_writing_again_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    main(["--out", str(tmp_path)])
    paths = sorted(path.relative_to(folder) for path in folder.rglob("*.*"))
    assert len(paths) == COUNT + 1
    assert all((folder / path).read_bytes() == (tmp_path / path).read_bytes() for path in paths)


def test_the_demo_keeps_its_promise(tmp_path: Path) -> None:
    assert demo.main(["--out", str(tmp_path)]) == 0
