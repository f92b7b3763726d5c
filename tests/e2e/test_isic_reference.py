"""Five real dermoscopic images through split, infer and gather: the pixels and the metrics of a plain script."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.io
from PIL import Image

from tests import small_run
from tests.small_run import PROJECT, make_bundle, records

BATCH = 2  # five images: the last batch is padded


def call(*arguments: str, cwd: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *arguments], cwd=cwd, env=environment, check=True, timeout=300)


@pytest.fixture(scope="module")
def inferred(shared_data, tmp_path_factory):
    """The run and the reference's results, each made as a person would."""
    folder = tmp_path_factory.mktemp("isic")
    images = sorted((shared_data / "isic" / "images").glob("*.jpg"))
    masks = [shared_data / "isic" / "masks" / f"{image.stem}_segmentation.png" for image in images]
    entries = [{"location": str(image), "label": str(mask)} for image, mask in zip(images, masks, strict=True)]
    dataset = small_run.write_dataset(folder, entries)
    make_bundle(
        folder / "segnet",
        "segmentation",
        "binary",
        ["lesion"],
        seed=7,
        picture=np.array(Image.open(images[0]).resize((192, 192), Image.Resampling.BILINEAR)),
        architecture={"name": "segnet"},
        input={"height": 192, "width": 192, "channels": 3},
        batch=BATCH,
    )
    split = ("--dataset", str(dataset), "--split", "test", "--shards", "1", "--run", "run")
    call("-m", "steps.split_yaml", *split, "--allow-root", str(shared_data), cwd=folder)
    infer = ("--run", "run", "--shard", "000", "--model", "segnet", "--threads-per-step", "1", "--device", "cpu")
    call("-m", "steps.infer", *infer, "--surface-distances", "2", "--lesions", cwd=folder)
    (folder / "reference").mkdir()
    pairs = [str(path) for pair in zip(images, masks, strict=True) for path in pair]
    script = str(Path(__file__).with_name("isic_reference.py"))
    call(script, "segnet/weights.safetensors", str(BATCH), "reference", *pairs, cwd=folder)
    return folder


def masks_of(folder, number):
    return skimage.io.imread(folder / f"run/outputs/{number}.png"), skimage.io.imread(
        folder / f"reference/{number}.png"
    )


def test_masks_are_mixed_so_that_there_is_something_to_compare(inferred):
    for number in range(5):
        ours, _ = masks_of(inferred, number)
        assert 0.02 < (ours > 0).mean() < 0.98


def test_every_pixel_of_every_mask_is_the_references(inferred):
    for number in range(5):
        ours, reference = masks_of(inferred, number)
        assert ours.shape == reference.shape
        assert (ours == reference).all()


def test_deephealths_iou_of_each_image_is_the_references(inferred):
    figures = json.loads((inferred / "reference" / "figures.json").read_text())
    for record, expected in zip(records(inferred / "run").values(), figures, strict=True):
        intersection, union = record.deephealth
        assert (intersection + 1e-6) / (union + 1e-6) == expected["iou_deephealth"]


def test_the_figures_are_printed_beside_the_published_ones(inferred, shared_data, capfd):
    folders = ("--images", str(shared_data / "isic/images"), "--masks", str(shared_data / "isic/masks"))
    call("-m", "benchmarks.isic_2017", *folders, "--model", "segnet", "--out", "literature", cwd=inferred)
    said = capfd.readouterr().out
    expected = [figure["iou_deephealth"] for figure in json.loads((inferred / "reference/figures.json").read_text())]
    assert re.search(rf"iou_deephealth, ours +{sum(expected) / 5:.3f}   95 % 0\.\d+ to 0\.\d+", said)
    assert re.search(r"SegNet, DeepHealth +0\.770", said)
    assert "these are of 5, so that they cannot be compared" in said


def test_every_metric_is_the_mean_of_the_references(inferred):
    call("-m", "steps.gather", "--run", "run", cwd=inferred)
    metrics = json.loads((inferred / "run/report/metrics.json").read_text())["metrics"]
    figures = json.loads((inferred / "reference" / "figures.json").read_text())
    assert set(metrics) == set(figures[0])
    for name, values in metrics.items():
        expected = sum(figure[name] for figure in figures) / len(figures)
        assert values["mean"] == pytest.approx(expected, rel=0, abs=1e-9), name
