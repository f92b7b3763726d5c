"""Training on volumes: each slice is an example, with the part of the mask that lies on it."""

import nibabel
import numpy as np
import pytest

from imaging_core.dataset.dtd import read_dataset
from imaging_core.dataset.roots import Roots
from imaging_core.errors import DataError
from imaging_core.models.card import UNPACKED, make_card
from imaging_core.store import Location
from imaging_core.training.examples import SplitExamples
from imaging_core.training.splits import choose_splits
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


def test_patches_are_not_learned_from(examples):
    with pytest.raises(DataError, match="training takes images, or slices with masks"):
        examples("binary", card(depth=4))
