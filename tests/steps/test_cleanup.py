"""``steps.cleanup`` on a disk and in a bucket: what goes, what never does, and what is left to be read of it."""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from imaging_core import run as layout
from imaging_core.archive import cleanup
from imaging_core.archive.removed import read_removals
from imaging_core.errors import InferenceError, UsageError
from imaging_core.store import Location, Store, open_store
from imaging_core.store.location import FILE
from imaging_core.store.s3_client import client
from steps.cleanup import main
from tests.http_relay import Fault, running_relay
from tests.s3_server import BUCKET, running_server, used
from workflows.command_line import main as command
from workflows.parameters import Parameters
from workflows.removals import removals_in_words
from workflows.run_record import RunRecord

DATASET, MODEL = "d" * 64, "e" * 64
CASES = 5


@dataclass
class Runs:
    """Runs below one prefix, written by hand; ``begin`` gives the time of ``days`` ago."""

    store: Store
    capsys: pytest.CaptureFixture[str]

    def add(self, name: str, days: float, *, good: bool = True, gathered: bool = True, **about: str) -> None:
        store = open_store(self.store.root.join(name))
        where = {"dataset": about.get("at", "/data/x.yml"), "model": "/models/m", "run": str(store.root)}
        record = RunRecord.now(Parameters(**where, shards=1, parallelism=1), about.get("dataset", DATASET), MODEL)
        created = (datetime.now(UTC) - timedelta(days=days)).isoformat()
        replace(record, begun=replace(record.begun, created=created)).write(store)
        keys = [layout.SHARD_INDEX, layout.shard_file("000"), layout.summary("000"), layout.ledger_part("000", 0)]
        keys += [layout.output(str(case), suffix) for case in range(CASES) for suffix in ("png", "probabilities.tif")]
        for key in [*keys, "logs/infer-000.log", layout.REPORT_PAGE]:
            store.put(key, b"12345")
        if gathered:
            store.put(layout.METRICS, json.dumps({"acceptable": good, "complete": True}).encode())

    def call(self, *options: str) -> dict[str, set[str]]:
        """What went (or would), and what was kept although it was old enough."""
        assert main(["--runs", str(self.store.root), "--json", *options]) == 0
        said = json.loads(self.capsys.readouterr().out)
        return {kind: {each["run"].rpartition("/")[2] for each in said[kind]} for kind in ("removed", "kept")}

    def there(self) -> set[str]:
        return {key.partition("/")[0] for key in self.store.list()}

    def keys(self, name: str) -> list[str]:
        return list(open_store(self.store.root.join(name)).list())


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("minio")) as server, used(server):
        yield server


@pytest.fixture
def on_disk(tmp_path, capsys) -> Runs:
    return Runs(open_store(Location.parse(str(tmp_path / "runs"))), capsys)


@pytest.fixture
def in_bucket(bucket, capsys) -> Runs:
    return Runs(open_store(Location.parse(f"s3://{BUCKET}/{secrets.token_hex(4)}/runs")), capsys)


@pytest.fixture(params=["on_disk", "in_bucket"])
def runs(request) -> Iterator[Runs]:
    return request.getfixturevalue(request.param)


def test_a_dry_run_says_what_would_go_and_changes_nothing(runs):
    for name, days in (("new", 1), ("old", 40), ("older", 50)):
        runs.add(name, days)
    before = list(runs.store.entries())
    assert main(["--runs", str(runs.store.root), "--older-than", "30d"]) == 0
    said = runs.capsys.readouterr().out
    assert "would go all of" in said
    assert "36 files" in said
    assert said.rstrip().endswith(f"--runs {runs.store.root.for_person()} --older-than 30d --delete")
    assert list(runs.store.entries()) == before


def test_age_and_number_must_both_allow_it(runs):
    for name, days in (("a", 10), ("b", 20), ("c", 40), ("d", 50)):
        runs.add(name, days)
    assert runs.call("--older-than", "15d", "--keep", "3")["removed"] == {"d"}
    assert runs.call("--keep", "1")["removed"] == {"b", "c", "d"}
    assert runs.call("--older-than", "45d", "--delete")["removed"] == {"d"}
    assert runs.there() == {"a", "b", "c"}


def test_the_last_good_report_of_a_dataset_and_model_never_goes(runs):
    runs.add("good", 50)
    runs.add("newer but bad", 40, good=False)
    runs.add("of another dataset", 60, dataset="f" * 64)
    runs.add("older and good", 70)
    said = runs.call("--older-than", "30d", "--delete")
    assert said == {"removed": {"newer but bad", "older and good"}, "kept": {"good", "of another dataset"}}
    assert runs.there() == {"good", "of another dataset"}


def test_one_kind_goes_and_the_run_says_so(runs):
    runs.add("a", 50)
    before = runs.keys("a")
    assert runs.call("--what", "probabilities", "--older-than", "30d", "--delete")["removed"] == {"a"}
    gone = [key for key in before if "probabilities" in key]
    assert runs.keys("a") == sorted({*before, layout.REMOVED} - {*gone})
    (removal,) = read_removals(open_store(runs.store.root.join("a")))
    assert (removal.kind, removal.files, removal.bytes, removal.finished) == ("probabilities", CASES, 5 * CASES, True)
    runs.call("--what", "outputs", "--what", "logs", "--what", "shards", "--older-than", "30d", "--delete")
    assert not [key for key in runs.keys("a") if key.startswith(("outputs/", "logs/", "shards/0"))]
    assert layout.SHARD_INDEX in runs.keys("a")
    kinds = [each.kind for each in read_removals(open_store(runs.store.root.join("a")))]
    assert kinds == ["probabilities", "outputs", "logs", "shards"]


def test_what_is_at_work_or_lends_its_inputs_or_holds_another_stays(runs):
    runs.add("at work", 40, gathered=False)
    runs.add("lends", 50, dataset="1" * 64, good=False)
    runs.add("borrows", 1, at=str(runs.store.root.join("lends/inputs/dataset.yml")))
    runs.add("holds", 50, dataset="2" * 64, good=False)
    runs.add("holds/deep/inside", 1)
    assert runs.call("--older-than", "30d", "--delete") == {"removed": set(), "kept": {"at work", "lends", "holds"}}


def test_runs_are_listed_by_their_own_records(runs):
    runs.add("new", 1, gathered=False)
    runs.add("old", 40)
    runs.add("bad", 50, good=False)
    runs.store.put("pictures/1.png", b"")
    assert command(["list", str(runs.store.root)]) == 0
    lines = runs.capsys.readouterr().out.splitlines()
    assert [re.split("  +", line)[1] for line in lines] == ["REPORT", "none", "acceptable", "not acceptable"]
    assert [line.rpartition("/")[2] for line in lines[1:]] == ["new", "old", "bad"]
    assert command(["list", str(runs.store.root), "--json"]) == 0
    said = json.loads(runs.capsys.readouterr().out)["runs"]
    assert [each["acceptable"] for each in said] == [None, True, False]


def test_what_is_no_run_and_what_no_run_writes_is_never_touched(runs):
    runs.store.put("pictures/1.png", b"")
    runs.store.put("damaged/run.json", b'{"format": 1}')
    runs.store.put("damaged/outputs/1.png", b"")
    runs.add("a", 50, good=False)
    runs.store.put("a/notes.txt", b"mine")
    runs.store.put("ab/outputs/1.png", b"not of run a")
    assert runs.call("--older-than", "30d", "--delete") == {"removed": {"a"}, "kept": {"damaged"}}
    assert sorted(runs.store.list()) == [
        "a/notes.txt", "ab/outputs/1.png", "damaged/outputs/1.png", "damaged/run.json", "pictures/1.png",
    ]  # fmt: skip


def test_links_are_not_followed(on_disk, tmp_path):
    elsewhere = Runs(open_store(Location.parse(str(tmp_path / "elsewhere"))), on_disk.capsys)
    elsewhere.add("precious", 50, good=False)
    on_disk.add("a", 50, good=False)
    folder = tmp_path / "runs"
    (folder / "linked").symlink_to(tmp_path / "elsewhere/precious")
    (folder / "a/outputs/more").symlink_to(tmp_path / "elsewhere/precious/outputs")
    (folder / "a/outputs/one.png").symlink_to(tmp_path / "elsewhere/precious/outputs/1.png")
    os.utime(folder / "a/outputs/one.png", (1, 1), follow_symlinks=False)
    assert on_disk.call("--older-than", "30d", "--delete")["removed"] == {"a"}
    assert len(elsewhere.keys("precious")) == 18
    assert [str(path.relative_to(folder)) for path in (folder / "a").rglob("*") if not path.is_dir()] == []
    assert os.path.lexists(folder / "linked")


@pytest.mark.parametrize("kind", ["runs", "outputs"])
def test_an_interrupted_clean_up_is_recorded_and_goes_on(in_bucket, bucket, monkeypatch, kind):
    in_bucket.add("a", 50, good=False)
    monkeypatch.setattr(cleanup, "BATCH", 4)
    with running_relay(f"127.0.0.1:{bucket.port}") as relay, monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", relay.endpoint)
        client.cache_clear()
        refuse = Fault("POST", answer=(403, "AccessDenied"))
        relay.faults.append(Fault("POST", then=lambda: relay.faults.append(refuse)))
        with pytest.raises(InferenceError, match="access denied"):
            in_bucket.call("--what", kind, "--older-than", "30d", "--delete")
    client.cache_clear()
    (removal,) = read_removals(open_store(in_bucket.store.root.join("a")))
    assert (removal.kind, removal.finished) == (kind, False)
    assert "did not come to its end" in removals_in_words([removal])[0]
    in_bucket.call("--what", kind, "--older-than", "30d", "--delete")
    if kind == "runs":
        assert in_bucket.keys("a") == []
    else:
        (after,) = read_removals(open_store(in_bucket.store.root.join("a")))
        assert after == replace(removal, finished=True)
        assert not [key for key in in_bucket.keys("a") if key.startswith("outputs/")]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_ended_in_the_middle_it_has_taken_nothing_else_and_the_next_one_goes_on(runs, number):
    """The older of two good runs goes; half removed, it does not pass for the last good one."""
    for name, days in (("older", 60), ("newer", 40)):
        runs.add(name, days)
    runs.add("of another dataset", 70, dataset="f" * 64)
    older = open_store(runs.store.root.join("older"))
    if older.root.scheme == FILE:
        for each in range(10_000):
            Path(older.root.path, f"outputs/{each:05d}.png").touch()
    else:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda each: older.put(f"outputs/{each:05d}.png", b"x"), range(1_500)))
    older.put(layout.METRICS, b'{"complete": true, "acceptable": true}')  # after them: it is not at work
    others = {key: runs.store.get(key) for key in runs.store.list() if not key.startswith("older/")}
    command = ["steps.cleanup", "--runs", str(runs.store.root), "--older-than", "30d", "--delete"]
    process = subprocess.Popen([sys.executable, "-m", *command], stderr=subprocess.PIPE, text=True)
    while not older.exists(layout.REMOVED):
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == {
        signal.SIGKILL: (-9, ""), signal.SIGINT: (130, "interrupted\n"), signal.SIGTERM: (143, "terminated\n"),
    }[number]  # fmt: skip
    assert {layout.RUN, layout.REMOVED} <= set(runs.keys("older"))
    (removal,) = read_removals(older)
    assert (removal.kind, removal.finished) == ("runs", False)
    assert runs.call("--older-than", "30d", "--delete")["removed"] == {"older"}
    assert {key: runs.store.get(key) for key in runs.store.list()} == others


def test_old_entries_of_a_cache_go_and_nothing_else_there(tmp_path, capsys):
    store = open_store(Location.parse(str(tmp_path)))
    recipe, digests = "a" * 64, ["0" * 64, "1" * 64]
    entries = [f"{recipe}/{digest[:2]}/{digest}" for digest in digests]
    for key in [*entries, f"{recipe}/about.json", "notes"]:
        store.put(key, b"x")
    for key in [entries[0], "notes", f"{recipe}/about.json"]:
        os.utime(tmp_path / key, (1, 1))
    assert main(["--cache", str(tmp_path), "--older-than", "90d", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == 1
    assert main(["--cache", str(tmp_path), "--older-than", "90d", "--delete"]) == 0
    assert sorted(store.list()) == sorted([entries[1], f"{recipe}/about.json", "notes"])


@pytest.mark.parametrize(
    "options",
    [
        ("--runs", "r"),
        ("--cache", "c"),
        ("--cache", "c", "--older-than", "1d", "--keep", "3"),
        ("--cache", "c", "--older-than", "1d", "--what", "outputs"),
    ],
)
def test_options_that_would_take_everything_or_mean_nothing_are_refused(options):
    with pytest.raises(UsageError):
        main([*options, "--delete"])


@pytest.mark.parametrize("text", ["30", "d", "-1d", "1.5d", "30m", "999999d"])
def test_an_age_is_hours_days_or_weeks(text, capsys):
    with pytest.raises(SystemExit):
        main(["--runs", "r", "--older-than", text])
    assert "is not an age" in capsys.readouterr().err or text.startswith("-")
