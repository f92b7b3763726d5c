"""``steps.infer --surface-distances --lesions``: measured of the masks, whatever the shards and the cache."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage
from skimage.measure import label

from imaging_core.errors import UsageError
from steps import gather
from tests import small_run
from tests.small_run import compared, crop, infer, make_bundle, make_images, make_masks, records, split

CASES = 14
OPTIONS = ("--surface-distances", "2", "--lesions")
CLASSES = {"binary": ["bright"], "multiclass": ["dark", "grey", "bright"], "multilabel": ["red", "green"]}


class Place:
    """A dataset of crops with masks of some kind, and a bundle for it."""

    def __init__(self, folder, kind):
        self.folder, self.kind, self.data = folder, kind, folder / "data"
        names = make_images(self.data, CASES)
        if kind == "multilabel":
            self.masks = [f"mask-{number}.tif" for number in range(CASES)]
            for number, name in enumerate(self.masks):
                planes = (crop(number)[:, :, :2].transpose(2, 0, 1) > 100).astype(np.uint8) * 255
                tifffile.imwrite(self.data / name, planes, photometric="minisblack")
        else:
            self.masks = make_masks(self.data, CASES, classes=3 if kind == "multiclass" else 0)
        if kind == "binary":  # one truth that is empty
            Image.new("L", crop(0).shape[1::-1]).save(self.data / self.masks[0])
        entries = [{"location": name, "label": mask} for name, mask in zip(names, self.masks, strict=True)]
        small_run.write_dataset(self.data, entries)
        make_bundle(folder / "model", "segmentation", kind, CLASSES[kind])

    def run(self, name, *options, shards=1):
        run = self.folder / name
        split(self.data / "crops.yml", run, shards)
        for shard in range(shards):
            infer(run, self.folder / "model", f"{shard:03d}", *options)
        return run

    def sides(self, run, number):
        """Class index to prediction and truth, as other libraries read them."""
        if self.kind == "multilabel":
            truth = tifffile.imread(self.data / self.masks[number]) > 0
            mask = tifffile.imread(run / f"outputs/{number:02d}.tif") > 0
            return {index: (mask[index], truth[index]) for index in range(2)}
        truth = np.array(Image.open(self.data / self.masks[number]))
        mask = np.array(Image.open(run / f"outputs/{number:02d}.png"))
        if self.kind == "binary":
            return {1: (mask > 0, truth > 0)}
        return {index: (mask == index, truth == index) for index in range(3)}


@pytest.fixture(params=list(CLASSES))
def place(tmp_path, request):
    return Place(tmp_path, request.param)


@pytest.fixture
def binary(tmp_path):
    return Place(tmp_path, "binary")


def surface(mask, truth):
    """By distance transforms."""
    edges = [side & ~ndimage.binary_erosion(side) for side in (mask, truth)]
    of = sum(int(edge.sum()) for edge in edges)
    if not (mask.any() and truth.any()):
        return None, None, 0, of
    directed = [
        ndimage.distance_transform_edt(~edges[1])[edges[0]],
        ndimage.distance_transform_edt(~edges[0])[edges[1]],
    ]
    together = np.concatenate(directed)
    return max(np.percentile(side, 95) for side in directed), together.mean(), (together <= 2).sum(), of


def lesions(mask, truth):
    """By scikit-image's labels, corners included."""
    labels, both = [label(side, connectivity=2) for side in (mask, truth)], mask & truth
    met = [len(np.unique(each[both])) for each in labels]
    return met[1], labels[0].max() - met[0], labels[1].max() - met[1]


def gathered(run):
    assert gather.main(["--run", str(run)]) == 0
    return (run / "report/metrics.json").read_bytes(), (run / "report/predictions.csv").read_bytes()


def test_the_ledger_holds_what_other_libraries_measure_of_the_masks_that_were_written(place):
    run = place.run("run", *OPTIONS)
    found = records(run)
    assert len(found) == CASES
    for case, record in found.items():
        assert (record.surface.tolerance, record.surface.unit) == (2.0, "pixels")
        sides = place.sides(run, int(case))
        assert set(record.surface.classes) == set(record.lesions) == set(record.counts) == set(sides)
        for index, (mask, truth) in sides.items():
            assert record.surface.classes[index] == pytest.approx(surface(mask, truth), abs=1e-9)
            assert record.lesions[index] == lesions(mask, truth)


def test_any_number_of_shards_and_a_cache_give_the_same_bytes(place):
    one = place.run("one", *OPTIONS)
    expected = gathered(one)
    assert gathered(place.run("three", *OPTIONS, shards=3)) == expected
    place.run("filling", "--cache", str(place.folder / "cache"))  # without measuring anything
    known = place.run("known", "--cache", str(place.folder / "cache"), *OPTIONS)
    assert json.loads((known / "results/000/timing.json").read_text())["from_cache"] == CASES
    assert compared(known) == compared(one)
    assert gathered(known) == expected


def test_the_report_sums_up_what_the_cases_say(binary):
    run = binary.run("run", *OPTIONS, shards=2)
    document = json.loads(gathered(run)[0])
    with (run / "report/predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["hd95_bright"] == "", "the first truth is empty"
    assert document["surface"]["per_class"][0]["one_empty"] == 1
    distances = [float(row["hd95_bright"]) for row in rows[1:]]
    assert document["metrics"]["hd95"]["mean"] == pytest.approx(np.mean(distances), abs=1e-9)
    shares = [float(row["nsd_bright"]) for row in rows]
    assert shares[0] == 0
    assert document["metrics"]["nsd"]["mean"] == pytest.approx(np.mean(shares), abs=1e-9)
    tp, fp, fn = (sum(int(row[f"lesion_{cell}_bright"]) for row in rows) for cell in ("tp", "fp", "fn"))
    assert document["metrics"]["lesion_f1"]["pooled"] == 2 * tp / (2 * tp + fp + fn)
    assert tp > 0


def test_without_the_options_nothing_else_changes(binary):
    plain, measured = binary.run("plain"), binary.run("measured", *OPTIONS)
    for path in sorted((plain / "outputs").iterdir()):
        assert (measured / "outputs" / path.name).read_bytes() == path.read_bytes()
    lines = [
        [json.loads(line) for part in sorted(run.glob("results/*/cases/*")) for line in part.read_text().splitlines()]
        for run in (plain, measured)
    ]
    for before, after in zip(*lines, strict=True):
        assert set(after) - set(before) == {"surface", "lesions"}
        assert {name: after[name] for name in before} == before
    documents = [json.loads(gathered(run)[0]) for run in (plain, measured)]
    assert documents[0]["metrics"].items() <= documents[1]["metrics"].items()


def test_what_was_done_without_them_or_at_another_tolerance_is_done_again(binary, capsys):
    run = binary.run("run")
    model = binary.folder / "model"
    for options in (["--lesions"], ["--surface-distances", "--lesions"], OPTIONS):
        infer(run, model, "000", *options)
        assert "complete already" not in capsys.readouterr().out
        infer(run, model, "000", *options)
        assert "complete already" in capsys.readouterr().out
    assert compared(run) == compared(binary.run("at once", *OPTIONS))
    infer(run, model)
    assert "complete already" in capsys.readouterr().out, "more than asked for stands"


def test_cases_without_ground_truth_are_not_measured_and_not_done_again(tmp_path, capsys):
    dataset = small_run.write_dataset(tmp_path, [{"location": name} for name in make_images(tmp_path, 3)])
    make_bundle(tmp_path / "model", "segmentation", "binary", ["bright"])
    split(dataset, tmp_path / "run", 1)
    for _ in range(2):
        infer(tmp_path / "run", tmp_path / "model", "000", *OPTIONS)
    assert "complete already" in capsys.readouterr().out
    assert all(record.surface is record.lesions is None for record in records(tmp_path / "run").values())


@pytest.mark.parametrize("option", ["--surface-distances", "--lesions"])
def test_a_classification_has_neither(tmp_path, option):
    make_bundle(tmp_path / "lenet", "classification", "multiclass", ["a", "b"])
    split(small_run.write_dataset(tmp_path, [{"location": "x.png", "label": 0}], ["a", "b"]), tmp_path / "run", 1)
    with pytest.raises(UsageError, match="are for segmentation"):
        infer(tmp_path / "run", tmp_path / "lenet", "000", option)


def test_gather_needs_no_scipy_and_infer_only_when_it_measures(binary):
    run = binary.run("run", *OPTIONS)
    program = "import sys; import {step} as step; code = step.main(sys.argv[1:]); print('scipy' in sys.modules, code)"

    def imports_scipy(step, *arguments):
        command = [sys.executable, "-c", program.format(step=step), *arguments]
        done = subprocess.run(command, cwd=small_run.PROJECT, capture_output=True, text=True)
        return done.stdout.splitlines()[-1]

    assert imports_scipy("steps.gather", "--run", str(run)) == "False 0"
    split(binary.data / "crops.yml", binary.folder / "other", 1)
    arguments = small_run.arguments_of(binary.folder / "other", binary.folder / "model", "000", "--device", "cpu")
    assert imports_scipy("steps.infer", *arguments) == "False 0"
    assert imports_scipy("steps.infer", *arguments, *OPTIONS) == "True 0"
