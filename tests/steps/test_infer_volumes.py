"""``steps.infer`` on volumes with a model of slices: what a plain script with nibabel and PyTorch makes of them."""

import json

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch.nn import functional

from imaging_core.models.bundle import load_model
from imaging_core.store import Location
from tests import small_run
from tests.small_run import compared, make_bundle, records, split_and_infer
from tests.volumes import scan, turned

STORED = ["LAS", "RAS", "PSR", "AIL", "LIP"]
CLASSES = {"binary": ["bright"], "multiclass": ["dark", "grey", "bright"], "multilabel": ["grey", "bright"]}
SEEN = {"binary": "RAS", "multiclass": "LPS", "multilabel": "ASR"}
BATCH, SIDE = 4, 32


class Place:
    """Volumes in several orientations with masks in others, plain and packed, and a bundle for them."""

    def __init__(self, folder, kind):
        self.folder, self.kind, self.data = folder, kind, folder / "data"
        self.data.mkdir()
        self.images, entries = [], []
        for number, stored in enumerate(STORED):
            image = scan(stored, number)
            values = np.asanyarray(image.dataobj)
            truth = {
                "binary": values > 90,
                "multiclass": np.digitize(values, [60, 120]),
                "multilabel": np.stack([values > 60, values > 120], axis=-1),
            }[kind]
            names = f"scan {number}.nii{'.gz' * (number % 2)}", f"mask {number}.nii.gz"
            nibabel.save(image, self.data / names[0])
            mask = nibabel.Nifti1Image(truth.astype(np.uint8), image.affine)
            nibabel.save(turned(mask, STORED[number - 1]), self.data / names[1])
            self.images.append((nibabel.load(self.data / names[0]), truth))
            entries.append({"location": names[0], "label": names[1]})
        self.entries = entries
        small_run.write_dataset(self.data, entries)
        middle = np.resize(np.asanyarray(scan("RAS").dataobj)[..., 5].T, (SIDE, SIDE, 1))
        make_bundle(
            folder / "model", "segmentation", kind, CLASSES[kind], picture=middle,
            input={"height": SIDE, "width": SIDE, "channels": 1, "scaling": 255.0, "orientation": SEEN[kind]},
        )  # fmt: skip

    def run(self, name, *options, shards=1):
        return split_and_infer(
            self.data / "crops.yml", self.folder / name, self.folder / "model", *options, shards=shards
        )

    def plain(self, image):
        """Probabilities of a volume in its file's own order, columns x rows x slices x classes."""
        _, _, module = load_model(Location.parse(str(self.folder / "model")), torch.device("cpu"))
        upright = turned(image, SEEN[self.kind])
        values = np.asarray(upright.dataobj, dtype=np.float32).transpose(2, 1, 0)
        slices = functional.interpolate(torch.from_numpy(values)[:, None], (SIDE, SIDE), mode="bilinear") / 255
        padded = torch.cat([slices, torch.zeros(-len(slices) % BATCH, 1, SIDE, SIDE)])
        with torch.inference_mode():
            outputs = torch.cat([module(batch) for batch in padded.split(BATCH)])[: len(slices)]
        maps = outputs.softmax(1) if self.kind == "multiclass" else outputs.sigmoid()
        maps = functional.interpolate(maps, values.shape[1:], mode="bilinear")
        found = nibabel.Nifti1Image(maps.permute(3, 2, 0, 1).numpy(), upright.affine)
        return np.asarray(turned(found, "".join(nibabel.aff2axcodes(image.affine))).dataobj)

    def says(self, probabilities):
        match self.kind:
            case "binary":
                return probabilities[..., 0] >= 0.5
            case "multilabel":
                return probabilities >= 0.5
            case _:
                return probabilities.argmax(-1)


@pytest.fixture(params=list(CLASSES))
def place(tmp_path, request):
    return Place(tmp_path, request.param)


@pytest.fixture
def binary(tmp_path):
    return Place(tmp_path, "binary")


def test_masks_are_those_of_a_plain_script_on_the_voxels_of_the_source(place):
    run = place.run("run", "--probabilities")
    for number, (image, truth) in enumerate(place.images):
        probabilities = place.plain(image)
        written = nibabel.load(run / f"outputs/{number}.nii.gz")
        assert written.get_data_dtype() == np.uint8
        assert np.array_equal(written.affine, image.affine)
        assert nibabel.aff2axcodes(written.affine) == tuple(STORED[number])
        maps = nibabel.load(run / f"outputs/{number}.probabilities.nii.gz")
        assert np.array_equal(maps.affine, image.affine)
        values = np.asanyarray(maps.dataobj).reshape(probabilities.shape)
        np.testing.assert_allclose(values, probabilities, atol=1e-6)
        mask = np.asanyarray(written.dataobj)
        assert np.array_equal(mask, place.says(values))
        assert 0.02 < mask.astype(bool).mean() < 0.98, "it says something"

        record = records(run)[str(number)]
        assert record.size == image.shape[::-1]
        assert record.inputs == turned(image, SEEN[place.kind]).shape[2]
        for index, counts in record.counts.items():
            match place.kind:
                case "multiclass":
                    said, true = mask == index, truth == index
                case "binary":
                    said, true = mask > 0, truth
                case _:
                    said, true = mask[..., index] > 0, truth[..., index]
            sums = [(said & true).sum(), (said & ~true).sum(), (~said & true).sum(), (~said & ~true).sum()]
            assert [counts.tp, counts.fp, counts.fn, counts.tn] == sums


def test_any_shards_a_cache_and_probabilities_give_the_same_masks(place):
    one = place.run("one")
    outputs = {name: data for name, data in compared(one).items() if name.startswith("outputs/")}
    assert len(outputs) == len(STORED)
    maps = place.run("maps", "--probabilities")
    for run in (place.run("three", shards=3), maps):
        assert outputs.items() <= compared(run).items()
    place.run("filling", "--cache", str(place.folder / "cache"))
    known = place.run("known", "--cache", str(place.folder / "cache"), "--surface-distances")
    assert json.loads((known / "results/000/timing.json").read_text())["from_cache"] == len(STORED)
    measured = place.run("measured", "--surface-distances")
    assert compared(known) == compared(measured)
    assert outputs.items() <= compared(measured).items()
    for data in outputs.values():
        assert data[3] == 0, "no name is packed with it"
        assert data[4:8] == bytes(4), "and no time"


def test_surface_distances_are_in_millimetres(binary):
    run = binary.run("run", "--surface-distances", "3")
    for number, (image, truth) in enumerate(binary.images):
        found = records(run)[str(number)].surface
        assert (found.unit, found.tolerance) == ("mm", 3)
        mask = np.asanyarray(nibabel.load(run / f"outputs/{number}.nii.gz").dataobj) > 0
        edges = [side & ~ndimage.binary_erosion(side) for side in (mask, truth)]
        spacing = nibabel.affines.voxel_sizes(image.affine)
        there, back = (
            ndimage.distance_transform_edt(~edges[1 - side], sampling=spacing)[edges[side]] for side in range(2)
        )
        together = np.concatenate([there, back])
        surface = found.classes[1]
        assert surface.hd95 == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)), abs=1e-5)
        assert surface.assd == pytest.approx(together.mean(), abs=1e-5)
        assert surface.of == len(together)


def test_images_and_volumes_in_one_dataset(binary):
    picture = np.asanyarray(binary.images[0][0].dataobj)[..., 4].T
    Image.fromarray(picture).save(binary.data / "slice.png")
    Image.fromarray((picture > 90).astype(np.uint8) * 255).save(binary.data / "truth.png")
    small_run.write_dataset(binary.data, [*binary.entries, {"location": "slice.png", "label": "truth.png"}])
    run = binary.run("mixed", "--surface-distances")
    found = records(run)
    assert {case: record.surface.unit for case, record in found.items()} == {
        **dict.fromkeys("01234", "mm"),
        "5": "pixels",
    }
    assert (run / "outputs/5.png").exists()
    assert found["5"].deephealth is not None


@pytest.mark.parametrize(
    ("mask", "kind"), [("mask 1.nii.gz", "mask_size"), ("scan 0.nii", "mask_value"), ("absent.nii", "mask_missing")]
)
def test_a_mask_that_does_not_fit_fails_its_case_alone(tmp_path, mask, kind):
    place = Place(tmp_path, "multiclass")
    entries = [dict(place.entries[0], label=mask), *place.entries[1:]]
    small_run.write_dataset(place.data, entries)
    found = records(place.run("run"))
    assert found["0"].kind == kind
    assert all(name not in found["0"].reason for name in ("mask 1", "scan 0", "absent"))
    assert [found[str(number)].state for number in range(1, 5)] == ["done"] * 4
