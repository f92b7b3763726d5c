"""``steps.infer`` on volumes with a three-dimensional model: what MONAI's sliding window makes of them."""

import json
import shutil
import signal
import time

import nibabel
import numpy as np
import pytest
import torch
from monai.inferers import sliding_window_inference
from PIL import Image
from torch.nn import functional

from imaging_core.models.bundle import load_model, pack, pack_onnx
from imaging_core.models.card import UNPACKED, make_card
from imaging_core.models.initialise import initialise
from imaging_core.models.onnx.exporting import export
from imaging_core.models.registry import build
from imaging_core.store import Location
from tests import small_run
from tests.small_run import compared, infer, records, split, split_and_infer
from tests.volumes import scan, turned

STORED = ["LAS", "PSR", "AIL"]
PATCH, SPACING, SEEN = (8, 12, 16), (3.0, 2.5, 2.75), "LPS"
CLASSES = {"binary": ["bright"], "multiclass": ["dark", "grey", "bright"]}


class Place:
    """Volumes with masks, an image that is none, and a bundle."""

    def __init__(self, folder, kind, spacing=SPACING):
        self.folder, self.kind, self.data, self.spacing = folder, kind, folder / "data", spacing
        self.data.mkdir()
        self.images, entries = [], []
        for number, stored in enumerate(STORED):
            image = scan(stored, number)
            truth = np.digitize(np.asanyarray(image.dataobj), [60, 120]).astype(np.uint8)
            nibabel.save(image, self.data / f"scan-{number}.nii.gz")
            nibabel.save(nibabel.Nifti1Image(truth, image.affine), self.data / f"mask-{number}.nii.gz")
            self.images.append(nibabel.load(self.data / f"scan-{number}.nii.gz"))
            entries.append({"location": f"scan-{number}.nii.gz", "label": f"mask-{number}.nii.gz"})
        self.entries = entries
        Image.new("L", (40, 40)).save(self.data / "picture.png")
        small_run.write_dataset(self.data, [*entries, {"location": "picture.png", "label": "picture.png"}])
        depth, height, width = PATCH
        card = make_card(
            {
                "name": "patches", "task": "segmentation", "batch": 3,
                "architecture": {"name": "unet3d", "parameters": {"width": 2, "depth": 2}},
                "input": {
                    "depth": depth, "height": height, "width": width, "channels": 1, "scaling": 255.0, "mean": [0.3],
                    "std": [0.2], "orientation": SEEN, "spacing": spacing, "overlap": 0.5,
                },
                "output": {
                    "kind": kind, "activation": "softmax" if kind == "multiclass" else "sigmoid",
                    "classes": CLASSES[kind],
                },
                "weights": UNPACKED.model_dump(),
            },
            "test",
        )  # fmt: skip
        module = initialise(build(card, "test"), 3)
        pack(Location.parse(str(folder / "model")), card, module.state_dict())

    def run(self, name, *options, shards=1):
        return split_and_infer(
            self.data / "crops.yml", self.folder / name, self.folder / "model", *options, shards=shards
        )

    def plain(self, image):
        """Probabilities of a volume in its file's own order, columns x rows x slices x classes."""
        _, _, module = load_model(Location.parse(str(self.folder / "model")), torch.device("cpu"))
        upright = turned(image, SEEN)
        values = torch.from_numpy(np.asarray(upright.dataobj, dtype=np.float32).transpose(2, 1, 0).copy())[None, None]
        stored = values.shape[2:]
        if self.spacing is not None:
            steps = nibabel.affines.voxel_sizes(upright.affine)[::-1]
            size = [max(1, round(side * own / new)) for side, own, new in zip(stored, steps, self.spacing, strict=True)]
            values = functional.interpolate(values, size, mode="trilinear")
        activation = (lambda maps: maps.softmax(1)) if self.kind == "multiclass" else torch.sigmoid
        with torch.inference_mode():
            maps = sliding_window_inference(
                (values / 255 - 0.3) / 0.2, PATCH, 1, lambda patches: activation(module(patches)), 0.5, "gaussian"
            )
            maps = functional.interpolate(maps, stored, mode="trilinear")[0]
        found = nibabel.Nifti1Image(maps.permute(3, 2, 1, 0).numpy(), upright.affine)
        return np.asarray(turned(found, "".join(nibabel.aff2axcodes(image.affine))).dataobj)


@pytest.mark.parametrize(("kind", "spacing"), [("binary", SPACING), ("multiclass", SPACING), ("multiclass", None)])
def test_maps_are_monais_and_masks_are_made_of_them_on_the_voxels_of_the_source(tmp_path, kind, spacing):
    place = Place(tmp_path, kind, spacing)
    run = place.run("run", "--probabilities")
    found = records(run)
    for number, image in enumerate(place.images):
        expected = place.plain(image)
        maps = nibabel.load(run / f"outputs/{number}.probabilities.nii.gz")
        written = nibabel.load(run / f"outputs/{number}.nii.gz")
        values = np.asanyarray(maps.dataobj).reshape(expected.shape)
        np.testing.assert_allclose(values, expected, atol=1e-5)
        assert np.ptp(values) > 0.01, "it says something"
        says = values[..., 0] >= 0.5 if kind == "binary" else values.argmax(-1)
        assert np.array_equal(np.asanyarray(written.dataobj), says)
        assert np.array_equal(written.affine, image.affine)
        assert found[str(number)].size == image.shape[::-1]
        assert found[str(number)].inputs > 8
    assert (found["3"].state, found["3"].kind) == ("failed", "unsupported")


def test_any_shards_a_cache_and_probabilities_give_the_same_masks(tmp_path):
    place = Place(tmp_path, "multiclass")
    one = place.run("one", "--cache", str(tmp_path / "cache"))
    outputs = {name: data for name, data in compared(one).items() if name.startswith("outputs/")}
    assert len(outputs) == len(STORED)
    for run in (place.run("three", shards=3), place.run("maps", "--probabilities")):
        assert outputs.items() <= compared(run).items()
    known = place.run("known", "--cache", str(tmp_path / "cache"))
    assert json.loads((known / "results/000/timing.json").read_text())["from_cache"] == len(STORED)
    assert compared(known) == compared(one)


def test_the_same_network_as_onnx_says_the_same(tmp_path):
    place = Place(tmp_path, "multiclass")
    ours = place.run("ours", "--probabilities")
    where = Location.parse(str(tmp_path / "model"))
    card, _, module = load_model(where, torch.device("cpu"))
    data, _ = export(module, card, 17)
    values = card.model_dump() | {"architecture": {"name": "onnx"}, "weights": UNPACKED.model_dump()}
    pack_onnx(where, make_card(values, "test"), data, replace=True)
    theirs = place.run("theirs", "--probabilities")
    for number in range(len(STORED)):
        one, other = (nibabel.load(run / f"outputs/{number}.probabilities.nii.gz") for run in (ours, theirs))
        np.testing.assert_allclose(one.dataobj, other.dataobj, atol=1e-4)


def test_killed_among_the_patches_of_a_volume_and_run_again(tmp_path):
    place = Place(tmp_path, "binary")
    entries = []
    for number in range(24):
        entries.append(dict(place.entries[number % 3], location=f"copy-{number}.nii.gz"))
        shutil.copy(place.data / place.entries[number % 3]["location"], place.data / f"copy-{number}.nii.gz")
    small_run.write_dataset(place.data, entries)
    undisturbed = place.run("undisturbed")
    run = tmp_path / "killed"
    split(place.data / "crops.yml", run, 1)
    process = small_run.start(run, tmp_path / "model")
    while process.poll() is None and len(list((run / "outputs").glob("*.nii.gz"))) < 3:
        time.sleep(0.001)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    infer(run, tmp_path / "model")
    assert compared(run) == compared(undisturbed)
