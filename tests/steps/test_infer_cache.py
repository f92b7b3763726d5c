"""``steps.infer --cache``: the network sees the same images once, and no byte of the result tells whether it did."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from imaging_core.errors import ConfigurationError
from imaging_core.store.s3_client import client
from steps import infer as infer_step
from tests import small_run
from tests.s3_server import BUCKET, find, running_server
from tests.small_run import (
    PROJECT,
    arguments_of,
    compared,
    crop,
    infer,
    make_bundle,
    make_images,
    make_masks,
    records,
    split,
    start,
)

CASES = 9
PATIENT = "doe-jane-1947"
WITHOUT_ROOTS_RIGHTS = "--bounding-set=-dac_override,-dac_read_search"


def from_cache(run, shard="000"):
    """How many cases came from the cache, as the shard's times say."""
    return json.loads((run / f"results/{shard}/timing.json").read_text())["from_cache"]


def entries(cache):
    """Every entry, by its path."""
    return {path: path.read_bytes() for path in sorted(cache.glob("*/*/*"))}


class Place:
    """A dataset of a kind with its model; runs of it lie side by side."""

    def __init__(self, folder, task="segmentation", kind="binary"):
        self.folder, self.cache = folder, folder / "cache"
        self.data = folder / PATIENT
        names = make_images(self.data, CASES)
        classes = {"binary": ["bright"], "multiclass": ["dark", "grey", "bright"], "multilabel": ["red", "green"]}[kind]
        make_bundle(folder / "model", task, kind, classes)
        self.classes = classes if task == "classification" else ()
        if task == "classification":
            labels = [number % len(classes) for number in range(CASES)]
        elif kind == "multilabel":
            labels = [f"mask-{number}.tif" for number in range(CASES)]
            for number, label in enumerate(labels):
                planes = (crop(number)[:, :, :2].transpose(2, 0, 1) > 100).astype(np.uint8) * 255
                tifffile.imwrite(self.data / label, planes, photometric="minisblack")
        else:
            labels = make_masks(self.data, CASES, classes=3 if kind == "multiclass" else 0)
        self.entries = [{"location": name, "label": label} for name, label in zip(names, labels, strict=True)]

    def split(self, name, shards=1):
        run = self.folder / name
        split(small_run.write_dataset(self.data, self.entries, self.classes), run, shards)
        return run

    def infer(self, name, *options, cache=True, model="model"):
        """A run of one shard, inferred."""
        run = self.split(name)
        infer(run, self.folder / model, "000", *(["--cache", str(self.cache)] if cache else []), *options)
        return run


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@pytest.mark.parametrize(
    ("task", "kind", "options"),
    [
        ("segmentation", "binary", []),
        ("segmentation", "binary", ["--probabilities"]),
        ("segmentation", "multiclass", []),
        ("segmentation", "multiclass", ["--probabilities"]),
        ("segmentation", "multilabel", []),
        ("segmentation", "multilabel", ["--probabilities"]),
        ("classification", "binary", []),
        ("classification", "multiclass", []),
        ("classification", "multilabel", []),
    ],
)
def test_without_with_and_from_the_cache_the_bytes_are_the_same(tmp_path, capsys, task, kind, options):
    place = Place(tmp_path, task, kind)
    without = place.infer("without", *options, cache=False)
    filling = place.infer("filling", *options)
    assert "Batch 3/3" in capsys.readouterr().out
    warm = place.infer("warm", *options)
    said = capsys.readouterr().out

    assert compared(filling) == compared(without)
    assert compared(warm) == compared(without)
    assert {record.state for record in records(warm).values()} == {"done"}
    assert "Batch" not in said  # no batch was run
    assert "from the cache: 9 of 9 cases" in said
    assert [from_cache(run) for run in (without, filling, warm)] == [None, 0, CASES]


def test_what_is_new_is_inferred_beside_what_is_known(place, capsys):
    place.entries, kept = place.entries[:4], place.entries
    place.infer("some")
    place.entries = kept
    capsys.readouterr()
    run = place.infer("all")

    lines = [line.split(" - ")[0] for line in capsys.readouterr().out.splitlines() if line.startswith("Batch")]
    assert lines == ["Batch 1/2", "Batch 2/2"]  # five cases in batches of four
    assert from_cache(run) == 4
    assert compared(run) == compared(place.infer("without", cache=False))


def test_the_same_image_under_another_name_and_in_another_dataset_is_known(place):
    place.infer("filling")
    for entry in place.entries:
        suffix = Path(entry["location"]).suffix
        renamed = f"renamed-{entry['label']}{suffix}"
        (place.data / entry["location"]).rename(place.data / renamed)
        entry["location"] = renamed
    place.entries.reverse()

    assert from_cache(place.infer("renamed")) == CASES


def test_changed_images_are_inferred_again(place):
    place.infer("filling")
    Image.fromarray(crop(3)[:, ::-1]).save(place.data / place.entries[0]["location"])
    Image.fromarray(crop(3)).save(place.data / "mask-0.png")
    run = place.infer("changed")

    assert from_cache(run) == CASES - 1
    assert compared(run) == compared(place.infer("without", cache=False))


@pytest.mark.parametrize("options", [["--threads-per-step", "2"], ["--probabilities"], ["--max-pixels", "100000"]])
def test_another_compute_class_or_request_finds_nothing(place, options):
    place.infer("filling")
    assert from_cache(place.infer("other", *options)) == 0
    assert from_cache(place.infer("again", *options)) == CASES


def test_another_model_finds_nothing(place):
    first = place.infer("filling")
    make_bundle(place.folder / "other", "segmentation", "binary", ["bright"], seed=2)
    other = place.infer("other-model", model="other")

    assert from_cache(other) == 0
    assert compared(other) != compared(first)
    assert compared(other) == compared(place.infer("without", cache=False, model="other"))


def infer_by(project, place, name):
    """Infer with a copy of the project's code."""
    run = place.split(name)
    process = start(run, place.folder / "model", "000", "--cache", str(place.cache), PYTHONPATH=str(project))
    assert process.wait(timeout=120) == 0, process.communicate()
    return from_cache(run)


def test_other_code_finds_nothing_unless_it_only_judges_and_shows(place, tmp_path):
    project = tmp_path / "project"
    for room in ("imaging_core", "steps"):
        shutil.copytree(PROJECT / room, project / room)
    infer_by(project, place, "filling")
    assert infer_by(project, place, "again") == CASES
    for room, file, found in (("report", "view.py", CASES), ("decode", "png.py", 0)):
        with (project / "imaging_core" / room / file).open("a") as source:
            source.write("# edited\n")
        assert infer_by(project, place, f"edited-{room}") == found


def test_a_limit_counts_also_for_what_is_known(place):
    place.infer("filling")
    heights = sorted(crop(number).shape[0] * crop(number).shape[1] for number in range(CASES))
    run = place.infer("limited", "--max-pixels", str(heights[4]))

    assert [record.kind for record in records(run).values() if record.state == "failed"] == ["too_large"] * 4
    assert compared(run) == compared(place.infer("without", "--max-pixels", str(heights[4]), cache=False))


def test_what_is_known_is_scored_against_todays_ground_truth(place):
    place.infer("filling")
    for number in range(CASES):
        mask = (crop(number).mean(2) > 90) * 255
        Image.fromarray(mask.astype(np.uint8)).save(place.data / f"mask-{number}.png")
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(place.data / "mask-2.png")
    run = place.infer("corrected")

    assert from_cache(run) == CASES
    assert records(run)["2"].kind == "mask_size"
    assert compared(run) == compared(place.infer("without", cache=False))


def test_what_was_inferred_without_ground_truth_can_be_scored(place):
    labelled = place.entries
    place.entries = [{"location": entry["location"]} for entry in labelled]
    place.infer("unlabelled")
    place.entries = labelled
    run = place.infer("labelled")

    assert from_cache(run) == CASES
    assert all(record.deephealth is not None for record in records(run).values())
    assert compared(run) == compared(place.infer("without", cache=False))


def test_failed_cases_are_not_kept(place):
    good = (place.data / "scan-0.png").read_bytes()
    (place.data / "scan-0.png").write_bytes(good[:-40])
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(place.data / "mask-2.png")
    run = place.infer("failing")

    assert {case for case, record in records(run).items() if record.state == "failed"} == {"0", "2"}
    assert len(entries(place.cache)) == CASES - 2
    assert compared(place.infer("again")) == compared(run)


@pytest.mark.parametrize("damage", ["empty", "cut", "a bit", "another entry", "text", "its head", "an old way"])
def test_a_damaged_entry_is_inferred_again_and_replaced(place, capsys, damage):
    place.infer("filling")
    good = entries(place.cache)
    victim, other = list(good)[:2]
    data = good[victim]
    match damage:
        case "empty":
            victim.write_bytes(b"")
        case "cut":
            victim.write_bytes(data[: len(data) // 2])
        case "a bit":
            victim.write_bytes(data[:-9] + bytes([data[-9] ^ 4]) + data[-8:])
        case "another entry":
            victim.write_bytes(good[other])
        case "text":
            victim.write_text("not an entry\n" * 20)
        case "its head":
            victim.write_bytes(data.replace(b'"inputs":1', b'"inputs":2'))
        case "an old way":
            victim.write_bytes(data[64:])
    run = place.infer("repairing")

    assert from_cache(run) == CASES - 1
    assert entries(place.cache) == good
    assert compared(run) == compared(place.infer("without", cache=False))
    assert "warning" not in capsys.readouterr().out


def test_no_name_and_no_path_is_in_the_cache(place):
    place.infer("filling")
    about, *more = place.cache.glob("*/about.json")
    assert not more
    for path in [about, *entries(place.cache)]:
        for text in (PATIENT, "scan-", "mask-", str(place.folder)):
            assert text.encode() not in path.read_bytes()
            assert text not in str(path.relative_to(place.cache))
    assert json.loads(about.read_text()).keys() == {
        *("format", "model", "code", "compute_class", "limits", "probabilities")
    }


def test_shards_and_runs_share_a_cache_at_the_same_time(place):
    without, *runs = (place.split(name, shards=2) for name in ("without", "one", "two"))
    for shard in ("000", "001"):
        infer(without, place.folder / "model", shard)
    cache = ("--cache", str(place.cache))
    processes = [start(run, place.folder / "model", shard, *cache) for run in runs for shard in ("000", "001")]

    assert [process.wait(timeout=120) for process in processes] == [0] * 4
    assert len(entries(place.cache)) == CASES
    assert all(compared(run) == compared(without) for run in runs)
    assert from_cache(place.infer("after")) == CASES


def test_a_cache_that_cannot_be_written_is_still_read(place):
    place.entries, kept = place.entries[:4], place.entries
    place.infer("some")
    place.entries = kept
    before = entries(place.cache)
    run = place.split("run")
    for path in [place.cache, *place.cache.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    arguments = arguments_of(run, place.folder / "model", "000", "--cache", str(place.cache))
    command = [sys.executable, "-m", "steps.infer", *arguments, "--device", "cpu"]
    if os.geteuid() == 0:
        command = [find("setpriv"), WITHOUT_ROOTS_RIGHTS, *command]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("warning") == 1
    assert "warning: nothing more is put into the cache: " in done.stdout
    assert "Permission denied" in done.stdout
    assert PATIENT not in done.stdout
    assert from_cache(run) == 4
    assert entries(place.cache) == before
    assert compared(run) == compared(place.infer("without", cache=False))


def test_no_cache_can_be_there_and_the_run_goes_on(place, capsys):
    place.cache.write_text("a file")
    run = place.infer("run")

    assert capsys.readouterr().out.count("warning") == 1
    assert from_cache(run) == 0
    assert compared(run) == compared(place.infer("without", cache=False))


@pytest.mark.parametrize("location", ["", "s3://", "file://elsewhere/cache"])
def test_what_is_no_location_is_a_wrong_option(place, capsys, location):
    with pytest.raises(SystemExit) as stopped:
        infer_step.main(arguments_of(place.split("run"), place.folder / "model", "000", "--cache", location))
    assert stopped.value.code == 2
    assert "argument --cache: location" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("location", "message"), [("https://example.org/cache", "can be written"), ("s3://bucket/cache", "not the address")]
)
def test_a_location_that_cannot_be_reached_from_here_is_an_error_at_once(place, monkeypatch, location, message):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "ftp://nowhere")
    client.cache_clear()
    place.cache = location
    with pytest.raises(ConfigurationError, match=message):
        place.infer("run")
    assert not (place.folder / "run" / "results/000/summary.json").exists()


@pytest.fixture
def server(tmp_path_factory, monkeypatch):
    with running_server(tmp_path_factory.mktemp("minio")) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        client.cache_clear()
        yield server
        client.cache_clear()


def test_a_cache_in_a_bucket(place, server):
    place.cache = f"s3://{BUCKET}/a cache"
    without = place.infer("without", cache=False)
    runs = [place.infer("filling"), place.infer("warm")]

    assert [from_cache(run) for run in runs] == [0, CASES]
    assert [compared(run) for run in runs] == [compared(without)] * 2


def test_a_bucket_that_is_lost_or_not_there_ends_no_run(place, server, capsys, monkeypatch):
    monkeypatch.setattr("imaging_core.store.retry.GIVE_UP_SECONDS", 0.1)
    place.cache = f"s3://{BUCKET}/cache"
    without = place.infer("without", cache=False)
    place.infer("filling")
    server.stop()
    capsys.readouterr()
    lost = place.infer("lost")
    said = capsys.readouterr().out
    assert said.count("warning") == 1
    assert "warning: going on without the cache: s3://" in said
    server.start()
    place.cache = "s3://no-such-bucket/cache"
    elsewhere = place.infer("elsewhere")
    assert "there is no bucket 'no-such-bucket'" in capsys.readouterr().out

    assert [from_cache(run) for run in (lost, elsewhere)] == [0, 0]
    assert [compared(run) for run in (lost, elsewhere)] == [compared(without)] * 2
