"""Kidneys: a folder of CT slices and a label for each patient, in Hounsfield units, from the series to the report."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from examples.kidney.__main__ import main
from examples.kidney.images import CLASSES, KIDNEY, LESION, TISSUE
from imaging_core.dataset.dtd import read_dataset
from imaging_core.dataset.sample import Dataset, Sample
from imaging_core.decode.case import Limits
from imaging_core.decode.mask import decode_mask
from imaging_core.decode.registry import decode_sample
from imaging_core.decode.volume import View
from imaging_core.store import Location, open_source
from steps import gather
from tests.small_run import infer, make_bundle, split


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kidney")
    main(["--out", str(folder)])
    return folder


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return read_dataset(Location.parse(str(folder / "kidney.yml")), "test")


def read(folder: Path, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Hounsfield units and label as a model sees them in LPS: slices x rows x columns."""
    sources = [open_source(Location.parse(str(folder / path))) for path in sample.locations]
    case = decode_sample(sources, 1, Limits(dicom="rescaled"), view=View("LPS"))
    assert case.grid is not None
    assert isinstance(sample.label, str)
    label = open_source(Location.parse(str(folder / sample.label)))
    mask = decode_mask(label, Limits(), "multiclass", size=case.size, affine=case.grid.affine)
    return np.stack([each.pixels[..., 0] for each in case.inputs]), case.grid.seen(mask)


def test_labels_lie_where_the_hounsfield_units_say_so(folder: Path, dataset: Dataset) -> None:
    assert dataset.task == "segmentation"
    assert dataset.warnings == ()
    for sample in dataset.samples[:4]:
        values, label = read(folder, sample)
        assert sample.values == (len(sample.locations),) == (len(values),)
        for index, expected in ((1, KIDNEY), (2, LESION)):
            assert abs(np.median(values[label == index]) - expected) < 3
        assert abs(np.median(values[(label == 0) & (values > 0) & (values < 90)]) - TISSUE) < 5
        assert 0.005 < (label > 0).mean() < 0.1


def test_scanners_differ_and_number_their_slices_either_way(folder: Path, dataset: Dataset) -> None:
    sizes, ways = set(), set()
    for sample in dataset.samples:
        headers = [pydicom.dcmread(folder / path, stop_before_pixels=True) for path in sample.locations]
        sizes.add((len(headers), headers[0].Rows))
        heights = [float(header.ImagePositionPatient[2]) for header in headers]
        ways.add(heights == sorted(heights))
        label = nibabel.load(folder / str(sample.label))
        assert "".join(nibabel.aff2axcodes(label.affine)) == "LAS"
    assert len(sizes) == 3
    assert ways == {True, False}


def test_the_same_bytes_every_time(folder: Path, tmp_path: Path) -> None:
    main(["--out", str(tmp_path)])
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert all((folder / path).read_bytes() == (tmp_path / path).read_bytes() for path in files)


def test_it_says_what_it_is_worth(dataset: Dataset) -> None:
    assert "proves the path, not a model" in dataset.description
    assert dataset.name.startswith("Synthetic")


def test_from_series_to_a_report_in_millimetres(folder: Path, dataset: Dataset, tmp_path: Path) -> None:
    seen = {"height": 32, "width": 32, "channels": 1, "dicom": "rescaled", "clip": (-160, 240), "orientation": "LPS"}
    picture = np.random.default_rng(0).integers(0, 255, (32, 32, 1), dtype=np.uint8)
    make_bundle(tmp_path / "model", "segmentation", "multiclass", CLASSES, input=seen, picture=picture)
    split(folder / "kidney.yml", tmp_path / "run", 2)
    for shard in ("000", "001"):
        infer(tmp_path / "run", tmp_path / "model", shard, "--surface-distances", "2")
    assert gather.main(["--run", str(tmp_path / "run")]) == 0
    metrics = json.loads((tmp_path / "run/report/metrics.json").read_text())
    assert metrics["cases"]["scored"] == 5
    assert metrics["surface"]["unit"] == "mm"
    for case in dataset.split["test"]:
        mask = nibabel.load(tmp_path / f"run/outputs/{case:02d}.nii.gz")
        label = nibabel.load(folder / str(dataset.samples[case].label))
        assert sorted(mask.shape) == sorted(label.shape)
        assert set(np.unique(mask.dataobj)) <= {0, 1, 2}
