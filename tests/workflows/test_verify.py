"""``verify``: damaged, lost and strange files of a real run are found, each by its name; a sound run is one."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imaging_core import run as layout
from imaging_core.archive.removed import Removal, write_removals
from imaging_core.models.card import read_bundle_card
from imaging_core.store import Location, open_store
from steps import gather
from tests import small_run
from tests.s3_server import wait_until
from workflows.command_line import main
from workflows.parameters import Parameters
from workflows.run_record import RunRecord

CASES = 70  # two ledger parts


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A run over masks in two shards, begun and gathered as a person's is."""
    folder = tmp_path_factory.mktemp("verify")
    names, masks = small_run.make_images(folder / "data", CASES), small_run.make_masks(folder / "data", CASES)
    entries = [{"location": name, "label": mask} for name, mask in zip(names, masks, strict=True)]
    dataset = small_run.write_dataset(folder / "data", entries)
    small_run.make_bundle(folder / "model", "segmentation", "binary", ["bright"])
    run = folder / "run"
    begin(folder, dataset)
    small_run.split(dataset, run, 2)
    for shard in ("000", "001"):
        small_run.infer(run, folder / "model", shard)
    assert gather.main(["--run", str(run), "--max-failed", "2%", "--metric", "iou"]) == 0
    return folder


def begin(folder: Path, dataset: Path) -> None:
    where = {"dataset": str(dataset), "model": str(folder / "model"), "run": str(folder / "run")}
    _, model = read_bundle_card(Location.parse(str(folder / "model")))
    where["cache"] = "https://cache.example.org/c?signature=SECRET"
    record = RunRecord.now(
        Parameters(**where, shards=2, parallelism=1), hashlib.sha256(dataset.read_bytes()).hexdigest(), model
    )
    record.write(open_store(Location.parse(str(folder / "run"))))


@pytest.fixture
def place(done, tmp_path, monkeypatch):
    """A copy of it that may be damaged, at the very place that its record names."""
    kept = tmp_path / "kept"
    shutil.copytree(done, kept)
    monkeypatch.chdir(done)
    yield done
    shutil.rmtree(done)
    shutil.copytree(kept, done)


@pytest.fixture
def verify(place, capsys):
    def call() -> tuple[int, dict[str, str]]:
        code = main(["verify", "run", "--json"])
        said = json.loads(capsys.readouterr().out)
        assert (code, said["ok"]) in ((0, True), (1, False))
        return code, {each["file"]: each["state"] for each in said["findings"]}

    return call


def test_a_sound_run_is_as_it_was(place, capsys):
    assert main(["verify", "run"]) == 0
    said = capsys.readouterr().out
    files = [path for path in (place / "run").rglob("*") if path.is_file()]
    pinned = [path for path in files if path.name not in ("timing.json", layout.CRATE)]
    assert f"run: all is as it was: {len(pinned) + 3} files as they were" in said  # with dataset, card and weights
    assert "metrics: the same, computed again from the ledgers" in said


def test_what_was_required_and_compared_is_judged_again(place, capsys):
    shutil.copytree("run", "earlier")
    asked = ["--metric", "iou", "--require", "dice.mean>=0", "--no-regression", "earlier"]
    assert gather.main(["--run", "run", *asked]) == 0
    assert main(["verify", "run"]) == 0
    assert "metrics: the same, computed again from the ledgers" in capsys.readouterr().out
    shutil.rmtree("earlier")
    assert main(["verify", "run"]) == 0
    assert "metrics: not computed again: the baseline run" in capsys.readouterr().out


@pytest.mark.parametrize(
    "file",
    [
        "data/crops.yml",
        "model/model.yaml",
        "model/weights.safetensors",
        "run/run.json",
        "run/shards/index.json",
        "run/shards/001.yml",
        "run/results/000/summary.json",
        "run/results/000/cases/00000.jsonl",
        "run/results/001/provenance/*.json",
        "run/outputs/07.png",
        "run/report/metrics.json",
        "run/report/predictions.csv",
        "run/report/report.html",
        "run/report/ui/pictures/*.png",
    ],
)
def test_a_changed_bit_and_a_lost_file_are_found(place, verify, file):
    path = next(iter(sorted(place.glob(file))))
    name = str(path.relative_to(place / "run")) if file.startswith("run/") else str(path.relative_to(place))
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    code, found = verify()
    assert code == 1
    assert found[name] == "changed"
    path.unlink()
    code, found = verify()
    assert code == 1
    lost = {"results/000/summary.json": ("results/000/", "incomplete")}.get(name, (name, "missing"))
    assert lost in found.items()


def test_what_nothing_lists_is_extra_but_logs_and_checkpoints_are_no_business(place, verify):
    (place / "run/outputs/99.png").write_bytes(b"")
    (place / "run/notes.txt").write_text("mine")
    (place / "run/logs").mkdir()
    (place / "run/logs/infer-000.log").write_text("said")
    checkpoint = place / "run" / layout.checkpoint("000", 0)
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"")  # where nothing may be removed they stay
    assert verify() == (1, {"outputs/99.png": "extra", "notes.txt": "extra"})


def test_forged_metrics_with_a_fitting_digest_are_not_what_the_ledgers_give(place, verify):
    path = place / "run" / layout.METRICS
    values = json.loads(path.read_bytes())
    values["metrics"]["iou"]["mean"] = 0.99
    forged = json.dumps(values, sort_keys=True, indent=2).encode() + b"\n"
    crate = place / "run" / layout.CRATE
    old, new = (hashlib.sha256(data).hexdigest() for data in (path.read_bytes(), forged))
    document = json.loads(crate.read_text().replace(old, new))
    for entity in document["@graph"]:
        if entity["@id"] == layout.METRICS:
            entity["contentSize"] = str(len(forged))
    crate.write_text(json.dumps(document))
    path.write_bytes(forged)
    assert verify() == (1, {"report/metrics.json": "changed"})


def test_a_shard_that_is_not_finished_pins_nothing_and_says_so(place, verify):
    (place / "run/results/001/summary.json").unlink()
    code, found = verify()
    assert code == 1
    assert found["results/001/"] == "incomplete"


def test_what_was_removed_on_purpose_is_not_missing(place, verify, capsys):
    store = open_store(Location.parse("run"))
    write_removals(store, (Removal("outputs", "2026-11-28T10:00:00+00:00", CASES, 12345, finished=True),))
    store.delete_all([f"outputs/{number:02d}.png" for number in range(CASES)])
    assert verify() == (0, {})
    assert main(["verify", "run"]) == 0
    assert f"cleaned  outputs ({CASES} files, 0.0 MB) removed on 2026-11-28 10:00 UTC" in capsys.readouterr().out
    assert main(["status", "run"]) == 0
    assert "cleaned  outputs" in capsys.readouterr().out


def test_there_is_no_run(tmp_path, capsys):
    with pytest.raises(Exception, match="no run here"):
        main(["verify", str(tmp_path)])


def test_the_record_says_who_ran_what_on_what_and_names_no_image(done):
    crate = json.loads((done / "run" / layout.CRATE).read_text())
    graph = {each["@id"]: each for each in crate["@graph"]}
    assert graph["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    referred = {each["@id"] for entity in graph.values() for each in _references(entity)}
    assert referred - graph.keys() == {"https://w3id.org/ro/crate/1.1"}
    parts = {each["@id"] for each in graph["./"]["hasPart"]}
    assert parts >= {"run.json", "shards/001.yml", "results/001/summary.json", "outputs/", "report/metrics.json"}
    assert {"#run", "#split", "#infer-000", "#infer-001", "#gather"} == {
        each["@id"] for each in graph["./"]["mentions"]
    }
    assert graph["#infer-000"]["startTime"] <= graph["#infer-000"]["endTime"] <= graph["#gather"]["endTime"]
    dataset = graph[(done / "data/crops.yml").as_uri()]
    assert dataset["sha256"] == hashlib.sha256((done / "data/crops.yml").read_bytes()).hexdigest()
    assert {"@id": dataset["@id"]} in graph["#run"]["object"]
    assert graph["#parameter-cache"]["value"] == '"https://cache.example.org/c"'
    assert not re.search("SECRET|scan-", (done / "run" / layout.CRATE).read_text())


def _references(entity):
    for value in entity.values():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                yield each


@contextmanager
def stuck_reading(fifo: Path) -> Iterator[None]:
    """Somebody reads a file whose bytes do not come, as on a disk of a network that has gone; ends when he does."""
    writing: list[int] = []

    def open_it() -> None:
        writing.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))  # an OSError while nobody reads

    wait_until(open_it, "who reads it")
    try:
        yield
    finally:
        os.close(writing[0])


def test_ctrl_c_ends_it_at_once_and_changes_nothing(place):
    """In the middle of a file of the run, which a thread reads."""
    (path,) = place.glob("run/results/001/provenance/*.json")
    path.unlink()
    os.mkfifo(path)
    before = contents(place)
    process = subprocess.Popen(
        [sys.executable, "-m", "workflows.distributed_inference", "verify", "run"],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(small_run.PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with stuck_reading(path):
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (process.returncode, stdout, stderr.strip()) == (130, "", "interrupted")
    assert contents(place) == before


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    }
