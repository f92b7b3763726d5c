"""``steps.infer`` from files to files: what comes out, and that nothing but the work changes it."""

import hashlib
import io
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image
from sklearn.metrics import confusion_matrix

from imaging_core.errors import DataError, UsageError
from tests import small_run
from tests.small_run import PROJECT, compared, crop, infer, make_bundle, make_images, make_masks, records, split

CASES = 140  # more than one ledger part


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """Images, binary and multiclass masks, a bundle of every kind."""
    folder = tmp_path_factory.mktemp("infer")
    names = make_images(folder / "data", CASES)
    masks = make_masks(folder / "data", CASES)
    entries = [{"location": name, "label": mask} for name, mask in zip(names, masks, strict=True)]
    small_run.write_dataset(folder / "data", entries)
    make_bundle(folder / "binary", "segmentation", "binary", ["bright"])
    return folder


@pytest.fixture(scope="session")
def undisturbed(place):
    """The binary segmentation inferred in one go, in one shard."""
    run = place / "undisturbed"
    split(place / "data" / "crops.yml", run, 1)
    infer(run, place / "binary")
    return run


def test_masks_have_the_size_of_their_images_and_the_counts_of_scikit_learn(place, undisturbed):
    found = records(undisturbed)
    assert sorted(found) == [f"{number:03d}" for number in range(CASES)]
    for number in range(CASES):
        record = found[f"{number:03d}"]
        assert record.state == "done"
        assert record.outputs == {"mask": f"outputs/{number:03d}.png"}
        data = (undisturbed / record.outputs["mask"]).read_bytes()
        assert record.digests == {"mask": (hashlib.sha256(data).hexdigest(), len(data))}
        mask = np.array(Image.open(io.BytesIO(data)))
        assert mask.shape == crop(number).shape[:2] == record.size
        assert set(np.unique(mask)) <= {0, 255}
        truth = np.array(Image.open(place / "data" / f"mask-{number}.png"))
        tn, fp, fn, tp = confusion_matrix(truth.ravel() > 0, mask.ravel() > 0, labels=[False, True]).ravel()
        counts = record.counts[1]
        assert (counts.tp, counts.fp, counts.fn, counts.tn) == (tp, fp, fn, tn)
        intersection, union = record.deephealth
        assert 0 <= intersection <= union <= 32 * 32
    masks = [np.array(Image.open(path)) for path in sorted((undisturbed / "outputs").iterdir())]
    assert 0.05 < np.concatenate([mask.ravel() for mask in masks]).mean() / 255 < 0.95  # there is something to compare


def test_the_summary_says_what_is_there(undisturbed):
    summary = json.loads((undisturbed / "results/000/summary.json").read_text())
    assert {key: summary[key] for key in ("shard", "samples", "done", "failed", "skipped", "temporary")} == {
        "shard": "000", "samples": CASES, "done": CASES, "failed": 0, "skipped": 0, "temporary": 0,
    }  # fmt: skip
    assert [part["cases"] for part in summary["parts"]] == [128, 12]
    (by,) = summary["provenance"]
    provenance = json.loads((undisturbed / f"results/000/provenance/{by}.json").read_text())
    assert provenance["compute_class"]["threads"] == 1
    assert provenance["compute_class"]["device"] == "cpu"
    assert {record.by for record in records(undisturbed).values()} == {by}
    timing = json.loads((undisturbed / "results/000/timing.json").read_text())
    assert timing["cases"] == CASES
    assert set(timing["stages"]) == {"fetch", "decode", "compute", "finish", "write"}


def test_a_run_that_an_earlier_version_split_keeps_the_parts_that_it_had(place, undisturbed, tmp_path):
    split(place / "data" / "crops.yml", tmp_path / "run", 1)
    index = tmp_path / "run/shards/index.json"
    values = json.loads(index.read_text())
    assert values.pop("cases_per_part") == 128
    index.write_text(json.dumps(values))
    infer(tmp_path / "run", place / "binary")
    summary = json.loads((tmp_path / "run/results/000/summary.json").read_text())
    assert [part["cases"] for part in summary["parts"]] == [64, 64, 12]
    assert records(tmp_path / "run") == records(undisturbed)


@pytest.mark.parametrize("shards", [2, 3, 5])
def test_any_number_and_order_of_shards_gives_the_same_bytes(place, undisturbed, tmp_path, shards):
    run = tmp_path / "run"
    split(place / "data" / "crops.yml", run, shards)
    for shard in sorted((path.stem for path in (run / "shards").glob("*.yml")), reverse=True):
        infer(run, place / "binary", shard)
    assert records(run) == records(undisturbed)
    outputs = {key: data for key, data in compared(run).items() if key.startswith("outputs/")}
    assert outputs == {key: data for key, data in compared(undisturbed).items() if key.startswith("outputs/")}


def test_running_again_changes_nothing_and_does_not_import_torch(place, undisturbed):
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*") if path.is_file()}
    code = (
        "import sys; from steps.infer import main; code = main(sys.argv[1:]); "
        "assert 'torch' not in sys.modules; sys.exit(code)"
    )
    arguments = small_run.arguments_of(undisturbed, place / "binary")
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=PROJECT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "complete already" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("damage", ["cut a part", "lose a part", "lose the summary", "lose both", "strange line"])
def test_what_is_missing_is_done_again_with_the_same_bytes(place, undisturbed, tmp_path, damage):
    run = tmp_path / "run"
    shutil.copytree(undisturbed, run)
    results = run / "results/000"
    first, second = sorted((results / "cases").iterdir())
    match damage:
        case "cut a part":
            second.write_bytes(second.read_bytes()[:-30])
        case "lose a part":
            first.unlink()
        case "lose the summary":
            (results / "summary.json").unlink()
        case "lose both":
            second.unlink()
            (results / "summary.json").unlink()
        case "strange line":
            first.write_bytes(first.read_bytes().replace(b'"case":"005"', b'"case":"777"'))
    # locations are relative to the run; the copy lies one folder elsewhere
    shutil.copytree(place / "data", tmp_path / "data")
    infer(run, place / "binary")
    assert compared(run) == compared(undisturbed)


def test_another_model_in_the_same_run_is_refused(place, undisturbed, tmp_path):
    make_bundle(tmp_path / "other", "segmentation", "binary", ["bright"], seed=2)
    with pytest.raises(DataError, match="another --run"):
        infer(undisturbed, tmp_path / "other")


def test_the_log_has_the_lines_of_deephealth_and_argo_sees_progress(place, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ARGO_PROGRESS_FILE", str(tmp_path / "progress"))
    split(place / "data" / "crops.yml", tmp_path / "run", 1)
    infer(tmp_path / "run", place / "binary")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Batch")]
    batches = -(-CASES // 4)
    assert [line.split(" - ")[0] for line in lines] == [f"Batch {number}/{batches}" for number in range(1, batches + 1)]
    pairs = [record.deephealth for record in records(tmp_path / "run").values()]
    mean = np.mean([(intersection + 1e-6) / (union + 1e-6) for intersection, union in pairs])
    assert lines[-1].endswith(f" - IoU: {mean:.4f}")
    assert (tmp_path / "progress").read_text() == f"{CASES}/{CASES}\n"


def test_probability_maps_on_request_agree_with_the_masks(place, undisturbed, tmp_path):
    run = tmp_path / "run"
    split(place / "data" / "crops.yml", run, 1)
    infer(run, place / "binary")
    infer(run, place / "binary", "000", "--probabilities")  # what is done lacks them: it is done again
    for case, record in records(run).items():
        maps = tifffile.imread(run / record.outputs["probabilities"])
        assert maps.dtype == np.float32
        assert ((maps >= 0.5) * 255 == np.array(Image.open(run / f"outputs/{case}.png"))).all()


def test_probability_maps_of_a_classification_are_refused(tmp_path):
    make_bundle(tmp_path / "lenet", "classification", "multiclass", ["a", "b"])
    split(small_run.write_dataset(tmp_path, [{"location": "x.png", "label": 0}], ["a", "b"]), tmp_path / "other", 1)
    with pytest.raises(UsageError, match="segmentation"):
        infer(tmp_path / "other", tmp_path / "lenet", "000", "--probabilities")


def test_multiclass_masks_hold_class_indices(place, tmp_path):
    masks = make_masks(tmp_path, 6, classes=3)
    entries = [
        {"location": str(place / "data" / f"scan-{n}.{small_run.FORMATS[n % 4]}"), "label": mask}
        for n, mask in enumerate(masks)
    ]
    dataset = small_run.write_dataset(tmp_path, entries)
    make_bundle(tmp_path / "model", "segmentation", "multiclass", ["dark", "grey", "bright"])
    arguments = ["--dataset", str(dataset), "--split", "test", "--shards", "1", "--run", str(tmp_path / "run")]
    assert small_run.split_yaml.main([*arguments, "--allow-root", str(place / "data")]) == 0
    infer(tmp_path / "run", tmp_path / "model")
    for number, record in enumerate(records(tmp_path / "run").values()):
        mask = np.array(Image.open(tmp_path / "run" / record.outputs["mask"])).ravel()
        truth = np.array(Image.open(tmp_path / masks[number])).ravel()
        matrix = confusion_matrix(truth, mask, labels=range(3))
        for index, counts in record.counts.items():
            assert counts.tp == matrix[index, index]
            assert (counts.tp + counts.fp, counts.tp + counts.fn) == (matrix[:, index].sum(), matrix[index].sum())
        assert record.deephealth is None


def test_multilabel_masks_are_one_tiff_of_many_pages(tmp_path):
    names = make_images(tmp_path, 3)
    planes = [crop(number)[:, :, :2].transpose(2, 0, 1) > 100 for number in range(3)]
    for number, plane in enumerate(planes):
        tifffile.imwrite(tmp_path / f"mask-{number}.tif", plane.astype(np.uint8) * 255, photometric="minisblack")
    entries = [{"location": name, "label": f"mask-{number}.tif"} for number, name in enumerate(names)]
    make_bundle(tmp_path / "model", "segmentation", "multilabel", ["red", "green"])
    split(small_run.write_dataset(tmp_path, entries), tmp_path / "run", 1)
    infer(tmp_path / "run", tmp_path / "model")
    for number, record in enumerate(records(tmp_path / "run").values()):
        data = (tmp_path / "run" / record.outputs["mask"]).read_bytes()
        masks = tifffile.imread(io.BytesIO(data))
        assert len(tifffile.TiffFile(io.BytesIO(data)).pages) == 2
        for index in range(2):
            tn, fp, fn, tp = confusion_matrix(planes[number][index].ravel(), masks[index].ravel() > 0).ravel()
            counts = record.counts[index]
            assert (counts.tp, counts.fp, counts.fn, counts.tn) == (tp, fp, fn, tn)


def test_classification_scores_are_in_the_ledger(tmp_path, capsys):
    classes = ["cat", "dog", "cow"]
    entries = [{"location": name, "label": n % 3} for n, name in enumerate(make_images(tmp_path, 9))]
    make_bundle(tmp_path / "model", "classification", "multiclass", classes)
    split(small_run.write_dataset(tmp_path, entries, classes), tmp_path / "run", 2)
    for shard in ("000", "001"):
        infer(tmp_path / "run", tmp_path / "model", shard)
    found = records(tmp_path / "run")
    for case, record in found.items():
        assert record.label == (int(case) % 3,)
        assert sum(record.scores) == pytest.approx(1, abs=1e-5)
        assert not record.outputs
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Batch")]
    assert all("accuracy" in line for line in lines)


def test_a_dataset_without_ground_truth_is_normal(tmp_path, capsys):
    split(
        small_run.write_dataset(tmp_path, [{"location": name} for name in make_images(tmp_path, 5)]), tmp_path / "r", 1
    )
    make_bundle(tmp_path / "model", "segmentation", "binary", ["bright"])
    infer(tmp_path / "r", tmp_path / "model")
    assert all(record.state == "done" and record.counts is None for record in records(tmp_path / "r").values())
    assert "Batch 2/2\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("classes", "labels", "model", "word"),
    [
        (["a", "b"], [0, 1], ["b", "a"], "in another order"),
        (["a", "b"], [0, 1], ["a", "c"], "others"),
        (["a", "b"], [0, 1], ["a", "b", "c"], "others"),
        ([], [0, 5], ["a", "b"], "label 5"),
        (["a", "b"], [0, [0, 1]], ["a", "b"], "2 labels"),
    ],
)
def test_classes_that_are_not_the_models_are_refused(tmp_path, classes, labels, model, word):
    entries = [{"location": f"{n}.png", "label": label} for n, label in enumerate(labels)]
    split(small_run.write_dataset(tmp_path, entries, classes), tmp_path / "run", 1)
    make_bundle(tmp_path / "model", "classification", "multiclass", model)
    with pytest.raises(DataError, match=word):
        infer(tmp_path / "run", tmp_path / "model")


def test_masks_of_a_dataset_that_names_their_classes(tmp_path):
    names, masks = make_images(tmp_path, 4), small_run.make_masks(tmp_path, 4, classes=2)
    entries = [{"location": name, "label": mask} for name, mask in zip(names, masks, strict=True)]
    split(small_run.write_dataset(tmp_path, entries, ["dark", "bright"]), tmp_path / "run", 1)
    make_bundle(tmp_path / "turned", "segmentation", "multiclass", ["bright", "dark"])
    with pytest.raises(DataError, match="in another order"):
        infer(tmp_path / "run", tmp_path / "turned")
    make_bundle(tmp_path / "model", "segmentation", "multiclass", ["dark", "bright"])
    infer(tmp_path / "run", tmp_path / "model")
    assert all(record.counts is not None for record in records(tmp_path / "run").values())


def test_a_model_for_another_task_is_refused(place, tmp_path):
    make_bundle(tmp_path / "model", "classification", "multiclass", ["a", "b"])
    split(place / "data" / "crops.yml", tmp_path / "run", 1)
    with pytest.raises(DataError, match=r"segmentation.*classification"):
        infer(tmp_path / "run", tmp_path / "model")
