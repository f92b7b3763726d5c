"""EDDL's exports from split to report: masks and scores of the same networks in PyTorch, for any number of shards."""

import csv
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import tifffile
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from imaging_core.errors import ConfigurationError
from steps import gather
from steps.bundle import main as bundle
from tests.onnx_files import Eddl, classifier, save, segmenter
from tests.small_run import infer, make_bundle, make_images, make_masks, split, write_dataset

CASES = 10
SIDE = 32
CLASSES = ["a", "b", "c"]
REPORTED = ("metrics.json", "predictions.csv")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crops of a photograph with masks, and with classes."""
    folder = tmp_path_factory.mktemp("onnx")
    names, masks = make_images(folder / "crops", CASES), make_masks(folder / "crops", CASES)
    write_dataset(folder / "crops", [{"location": a, "label": b} for a, b in zip(names, masks, strict=True)])
    make_images(folder / "classes", CASES)
    labelled = [{"location": name, "label": CLASSES[n % 3]} for n, name in enumerate(names)]
    write_dataset(folder / "classes", labelled, CLASSES)
    return folder


def packed(folder: Path, net: Eddl, shape: tuple[int, ...], *options: str) -> Path:
    save(net.file(shape), folder / "eddl.onnx")
    seen = ["--input-size", f"{SIDE}x{SIDE}", "--channels", "3", "--batch", "4", "--scaling", "unit"]
    arguments = ["pack", "--architecture", "onnx", "--weights", str(folder / "eddl.onnx"), *seen, *options]
    assert bundle([*arguments, "--out", str(folder / "bundle")]) == 0
    return folder / "bundle"


def run(place: Path, dataset: str, model: Path, folder: Path, shards: int, *options: str) -> Path:
    """Split, infer, gather."""
    split(place / dataset / "crops.yml", folder, shards)
    for shard in range(shards):
        infer(folder, model, f"{shard:03d}", *options)
    assert gather.main(["--run", str(folder)]) == 0
    return folder


def what_pytorch_says(place: Path, dataset: str, net: Eddl) -> list[tuple[Tensor, tuple[int, int]]]:
    """Per image the network's output for it, and the image's size."""
    said = []
    for number in range(CASES):
        (path,) = (place / dataset).glob(f"scan-{number}.*")
        pixels = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None].float()
        seen = functional.interpolate(pixels, (SIDE, SIDE), mode="bilinear", align_corners=False) / 255
        said.append((net(seen), tuple(pixels.shape[2:])))
    return said


def test_a_segmentation_gives_the_masks_of_pytorch(place: Path, tmp_path: Path) -> None:
    net = segmenter(SIDE, seed=14)
    model = packed(tmp_path, net, (1, SIDE, SIDE), "--kind", "binary", "--classes", "bright")
    folder = run(place, "crops", model, tmp_path / "run", 1, "--probabilities")
    shares = []
    for number, (said, size) in enumerate(what_pytorch_says(place, "crops", net)):
        maps = functional.interpolate(said, size, mode="bilinear", align_corners=False)[0, 0].numpy()
        probabilities = np.squeeze(tifffile.imread(folder / f"outputs/{number}.probabilities.tif"))
        mask = np.array(Image.open(folder / f"outputs/{number}.png"))
        np.testing.assert_allclose(probabilities, maps, atol=1e-4)
        unsure = np.abs(maps - 0.5) < 1e-5  # where the last bits decide
        np.testing.assert_array_equal(mask[~unsure] > 0, maps[~unsure] >= 0.5)
        assert unsure.mean() < 0.01
        shares.append((mask > 0).mean())
    assert 0.05 < np.mean(shares) < 0.95  # there is something to compare


def test_a_classification_gives_the_scores_of_pytorch(place: Path, tmp_path: Path) -> None:
    net = classifier(SIDE, seed=6)
    model = packed(tmp_path, net, (3,), "--kind", "multiclass", "--classes", ",".join(CLASSES))
    folder = run(place, "classes", model, tmp_path / "run", 2)
    with (folder / "report" / "predictions.csv").open() as file:
        rows = {int(row["case"]): row for row in csv.DictReader(file)}
    for number, (said, _) in enumerate(what_pytorch_says(place, "classes", net)):
        scores = [float(rows[number][f"score_{name}"]) for name in CLASSES]
        np.testing.assert_allclose(scores, said[0].numpy(), atol=1e-4)
        assert rows[number]["predicted"] == CLASSES[int(said.argmax())]
    assert len({row["predicted"] for row in rows.values()}) > 1  # there is something to compare


@pytest.mark.parametrize("threads", ["1", "2"])
def test_any_number_of_shards_gives_the_same_bytes(place: Path, tmp_path: Path, threads: str) -> None:
    model = packed(tmp_path, segmenter(SIDE, seed=14), (1, SIDE, SIDE), "--kind", "binary", "--classes", "bright")
    merged = []
    for shards in (1, 2, 3):
        folder = run(place, "crops", model, tmp_path / str(shards), shards, "--threads-per-step", threads)
        outputs = {path.name: path.read_bytes() for path in (folder / "outputs").iterdir()}
        merged.append((outputs, *((folder / "report" / name).read_bytes() for name in REPORTED)))
    assert merged[0] == merged[1] == merged[2]


def test_the_compute_class_says_what_ran_it(place: Path, tmp_path: Path) -> None:
    model = packed(tmp_path, segmenter(SIDE), (1, SIDE, SIDE), "--kind", "binary", "--classes", "bright")
    folder = run(place, "crops", model, tmp_path / "run", 1)
    (provenance,) = (folder / "results/000/provenance").iterdir()
    libraries = json.loads(provenance.read_bytes())["compute_class"]["libraries"]
    assert libraries["onnxruntime"] == f"{onnxruntime.__version__} CPUExecutionProvider"
    make_bundle(tmp_path / "ours", "segmentation", "binary", ["bright"])
    folder = run(place, "crops", tmp_path / "ours", tmp_path / "other", 1)
    (provenance,) = (folder / "results/000/provenance").iterdir()
    assert "onnxruntime" not in json.loads(provenance.read_bytes())["compute_class"]["libraries"]


def test_a_bundle_of_ours_and_its_export_give_the_same_masks(place: Path, tmp_path: Path) -> None:
    make_bundle(tmp_path / "ours", "segmentation", "binary", ["bright"])
    assert bundle(["export", "--model", str(tmp_path / "ours"), "--out", str(tmp_path / "ours.onnx")]) == 0
    seen = ["--input-size", "32x32", "--channels", "3", "--batch", "4", "--kind", "binary", "--classes", "bright"]
    pack = ["pack", "--architecture", "onnx", "--weights", str(tmp_path / "ours.onnx"), *seen]
    assert bundle([*pack, "--out", str(tmp_path / "theirs")]) == 0
    ours = run(place, "crops", tmp_path / "ours", tmp_path / "a", 1, "--probabilities")
    theirs = run(place, "crops", tmp_path / "theirs", tmp_path / "b", 1, "--probabilities")
    for number in range(CASES):
        maps = [np.squeeze(tifffile.imread(each / f"outputs/{number}.probabilities.tif")) for each in (ours, theirs)]
        masks = [np.array(Image.open(each / f"outputs/{number}.png")) for each in (ours, theirs)]
        np.testing.assert_allclose(*maps, atol=1e-4)
        unsure = np.abs(maps[0] - 0.5) < 1e-5
        np.testing.assert_array_equal(masks[0][~unsure], masks[1][~unsure])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_where_there_is_no_gpu_cuda_is_refused_and_never_the_cpu_instead(place: Path, tmp_path: Path) -> None:
    model = packed(tmp_path, classifier(SIDE), (3,), "--kind", "multiclass", "--classes", ",".join(CLASSES))
    split(place / "classes" / "crops.yml", tmp_path / "run", 1)
    with pytest.raises(ConfigurationError, match=r"^--device cuda: PyTorch sees no GPU"):
        infer(tmp_path / "run", model, "000", "--device", "cuda")
    assert not (tmp_path / "run/results").exists()
