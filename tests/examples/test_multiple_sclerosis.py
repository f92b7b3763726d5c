"""Multiple sclerosis: volumes and masks in the layout of the real dataset file, from the dataset to the report."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from examples.multiple_sclerosis.__main__ import main
from imaging_core.dataset.dtd import read_dataset
from imaging_core.dataset.sample import Dataset
from imaging_core.store import Location
from steps import gather
from tests.small_run import infer, make_bundle, split


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ms")
    main(["--out", str(folder)])
    return folder


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return read_dataset(Location.parse(str(folder / "ms.yml")), "test")


def test_lesions_are_bright_and_scanners_differ(folder: Path, dataset: Dataset) -> None:
    assert dataset.task == "segmentation"
    scanners = set()
    for sample in dataset.samples:
        assert isinstance(sample.label, str)
        image, mask = (nibabel.load(folder / path) for path in (sample.locations[0], sample.label))
        assert np.array_equal(image.affine, mask.affine)
        lesions = np.asanyarray(mask.dataobj) > 0
        assert set(np.unique(mask.dataobj)) == {0, 1}
        assert 0.0005 < lesions.mean() < 0.02
        values = np.asanyarray(image.dataobj)
        assert np.median(values[lesions]) > 700 > np.percentile(values[~lesions], 99.9)
        assert sample.values == (image.shape["".join(nibabel.aff2axcodes(image.affine)).translate(AXES).index("S")],)
        scanners.add(("".join(nibabel.aff2axcodes(image.affine)), values.dtype.str))
    assert len(scanners) == 3


AXES = str.maketrans("LPI", "RAS")


def test_the_same_bytes_every_time(folder: Path, tmp_path: Path) -> None:
    main(["--out", str(tmp_path)])
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert len(files) == 2 * 18 + 1
    assert all((folder / path).read_bytes() == (tmp_path / path).read_bytes() for path in files)


def test_it_says_what_it_is_worth(dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    assert "proves the path, not a model" in dataset.description
    assert dataset.name.startswith("Synthetic")
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "Synthetic: this proves the path from volumes to metrics, not a model." in capsys.readouterr().out


def test_from_volumes_to_a_report_in_millimetres(folder: Path, dataset: Dataset, tmp_path: Path) -> None:
    seen = {"height": 32, "width": 32, "channels": 1, "scaling": 1000.0}
    picture = np.random.default_rng(0).integers(0, 255, (32, 32, 1), dtype=np.uint8)
    make_bundle(tmp_path / "model", "segmentation", "binary", ["lesion"], input=seen, picture=picture)
    split(folder / "ms.yml", tmp_path / "run", 2)
    for shard in ("000", "001"):
        infer(tmp_path / "run", tmp_path / "model", shard, "--surface-distances", "2", "--lesions")
    assert gather.main(["--run", str(tmp_path / "run")]) == 0
    metrics = json.loads((tmp_path / "run/report/metrics.json").read_text())
    assert metrics["cases"]["scored"] == 6
    assert metrics["surface"]["unit"] == "mm"
    page = (tmp_path / "run/report/report.html").read_text()
    assert "Surface distances are in mm" in page
    assert page.count("<dt>slice</dt>") == 6
    for case, sample in zip(
        dataset.split["test"], [dataset.samples[index] for index in dataset.split["test"]], strict=True
    ):
        mask = nibabel.load(tmp_path / f"run/outputs/{case:02d}.nii.gz")
        assert np.array_equal(mask.affine, nibabel.load(folder / sample.locations[0]).affine)
