"""Training on volumes: each slice, or patch, is an example, with the part of the mask that lies on it."""

import json

import nibabel
import numpy as np
import pytest

from imaging_core.dataset.dtd import read_dataset
from imaging_core.dataset.roots import Roots
from imaging_core.errors import UsageError
from imaging_core.models.card import UNPACKED, make_card
from imaging_core.store import Location
from imaging_core.training.examples import SplitExamples
from imaging_core.training.objective import NOTHING
from imaging_core.training.splits import choose_splits
from steps.train import main as train
from tests.small_run import write_dataset
from tests.volumes import scan, turned


def card(kind="binary", **seen):
    classes = {"binary": ["bright"], "multilabel": ["grey", "bright"], "multiclass": ["dark", "bright"]}[kind]
    values = {
        "name": "slices", "task": "segmentation", "architecture": {"name": "unet", "parameters": {}}, "batch": 2,
        "input": {"height": 26, "width": 22, "channels": 1, "scaling": "none"} | seen,
        "output": {"kind": kind, "activation": "softmax" if kind == "multiclass" else "sigmoid", "classes": classes},
        "weights": UNPACKED.model_dump(),
    }  # fmt: skip
    return make_card(values, "test")


@pytest.fixture
def examples(tmp_path):
    def make(kind, model, **kept):
        entries = []
        for number, stored in enumerate(("PSR", "LAS", "RAS")):
            image = scan(stored)
            values = np.asanyarray(image.dataobj)
            labels = np.stack([values > 60, values > 120], -1) if kind == "multilabel" else values > 120
            nibabel.save(image, tmp_path / f"{number}.nii")
            mask = turned(nibabel.Nifti1Image(labels.astype(np.uint8), image.affine), "ASL")
            nibabel.save(mask, tmp_path / f"mask-{number}.nii.gz")
            entries.append({"location": f"{number}.nii", "label": f"mask-{number}.nii.gz"})
        path = write_dataset(tmp_path, entries)
        path.write_text(
            path.read_text().replace('"test": [\n   0,\n   1,\n   2\n  ]', '"training": [0, 1], "validation": [2]')
        )
        dataset = read_dataset(Location.parse(str(path)))
        material = choose_splits(dataset, Roots((dataset.location.parent,)), "training", "validation")
        return SplitExamples(material, material.training, model, **kept)

    return make


@pytest.mark.parametrize("kept", [10**9, 0])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_image_and_mask_are_of_the_same_slice(examples, kind, kept):
    found = examples(kind, card(kind), kept_bytes=kept)
    slices = scan("RAS").shape[2]
    assert len(found) == 2 * slices
    upright = np.asanyarray(turned(scan(), "RAS").dataobj)
    for position in (0, 5, slices - 1, slices, 2 * slices - 1):
        images, targets = found.batch([position])
        assert np.array_equal(images[0, 0], upright[..., position % slices].T)
        if kind == "multilabel":
            assert np.array_equal(targets[0], np.stack([images[0, 0] > 60, images[0, 0] > 120]))
        else:
            assert np.array_equal(np.squeeze(targets[0]), images[0, 0] > 120)


@pytest.mark.parametrize("kept", [10**9, 0])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_image_and_mask_are_of_the_same_patch(examples, kind, kept):
    found = examples(kind, card(kind, depth=4, height=10, width=8, overlap=0.5), kept_bytes=kept)
    assert len(found) > 2 * 30
    for position in (0, 7, len(found) // 2, len(found) - 1):
        images, targets = found.batch([position])
        assert images.shape == (1, 1, 4, 10, 8)
        if kind == "multilabel":
            assert np.array_equal(targets[0], np.stack([images[0, 0] > 60, images[0, 0] > 120]))
        else:
            assert np.array_equal(np.squeeze(targets[0]), images[0, 0] > 120)


@pytest.mark.parametrize(("kind", "outside"), [("binary", 0), ("multiclass", NOTHING)])
def test_around_a_volume_nothing_is_learned_of_its_classes(examples, kind, outside):
    images, targets = examples(kind, card(kind, depth=40, height=40, width=40)).batch([0, 1])
    slices, rows, columns = scan("RAS").shape[::-1]
    inside = np.zeros((40, 40, 40), bool)
    begin = [(40 - side) // 2 for side in (slices, rows, columns)]
    inside[tuple(slice(b, b + side) for b, side in zip(begin, (slices, rows, columns), strict=True))] = True
    for image, target in zip(images[:, 0].numpy(), np.squeeze(targets.numpy()), strict=True):
        assert (target[~inside] == outside).all()
        assert np.array_equal(target[inside], image[inside] > 120)


def test_masks_come_to_the_spacing_of_the_model(examples):
    _, targets = examples("binary", card(depth=8, height=16, width=8, spacing=(3.0, 2.5, 2.75))).batch([0])
    bright = np.asanyarray(turned(scan(), "RAS").dataobj).T > 120
    nearest = [
        np.floor((np.arange(count) + 0.5) * stored / sampled).astype(int)
        for count, stored, sampled in zip((8, 16, 8), bright.shape, (16, 31, 16), strict=True)
    ]
    assert np.array_equal(targets[0, 0], bright[np.ix_(*nearest)])
    assert 0 < targets.mean() < 1


PATCHES = ["--architecture", "unet3d", "--parameter", "width=2", "--parameter", "depth=1", "--input-size", "8x16x16",
           "--channels", "1", "--batch", "4", "--device", "cpu"]  # fmt: skip


def test_a_network_of_volumes_learns_from_patches(examples, tmp_path):
    examples("binary", card())
    how = [*PATCHES, "--dataset", str(tmp_path / "crops.yml"), "--out", str(tmp_path / "model")]
    with pytest.raises(UsageError, match="--shift moves images"):
        train([*how, "--shift", "2"])
    assert train([*how, "--epochs", "4", "--learning-rate", "0.03", "--normalization", "zscore"]) == 0
    curves = json.loads((tmp_path / "model/learning_curves.json").read_text())
    assert curves["epochs"][-1]["training_loss"] < curves["epochs"][0]["training_loss"]
