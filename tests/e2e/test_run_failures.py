"""Whole runs through what happens in hospitals: the store away for half a minute, wrong credentials, a full disk."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from imaging_core.store import Location, Store, open_store
from imaging_core.store.s3_client import client
from tests.http_relay import Fault, Relay, running_relay
from tests.mounts import small_disk
from tests.s3_server import BUCKET, S3Server, Toxiproxy, running_server, running_toxiproxy

PREFIX = f"s3://{BUCKET}/a hospital"
OUTAGE_SECONDS = 30


@dataclass(frozen=True)
class Remote:
    """The workplace's data and model in a bucket, behind a relay with faults and a line that can be cut."""

    store: Store
    relay: Relay
    line: Toxiproxy


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_server(tmp_path_factory.mktemp("minio")) as server:
        yield server


@pytest.fixture
def remote(server: S3Server, workplace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    with running_relay(f"127.0.0.1:{server.port}") as relay, running_toxiproxy(relay.server_address[1]) as line:
        for name, value in server.environment(line.endpoint).items():
            monkeypatch.setenv(name, value)
        client.cache_clear()
        store = open_store(Location.parse(PREFIX))
        for part in ("data", "model"):
            for path in (workplace.folder / part).iterdir():
                store.put(f"{part}/{path.name}", path.read_bytes())
        yield Remote(store, relay, line)
    client.cache_clear()


def start(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "workflows.distributed_inference", *arguments],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def arguments(run: str) -> list[str]:
    inputs = ["--dataset", f"{PREFIX}/data/cells.yml", "--model", f"{PREFIX}/model", "--run", run]
    return ["run", *inputs, "--shards", "2", "--parallelism", "2"]


def test_half_a_minute_without_the_store_in_the_middle_of_a_run_loses_nothing(remote: Remote, workplace) -> None:
    assert workplace.run("runs/without-outage").returncode == 0

    def cut() -> None:
        remote.line.enable(False)
        threading.Timer(OUTAGE_SECONDS, remote.line.enable, [True]).start()

    remote.relay.faults = [Fault("GET", "data/70.png", then=cut)]
    run = start(*arguments(f"{PREFIX}/runs/outage"))
    _, stderr = run.communicate(timeout=300)
    assert run.returncode == 0, stderr
    assert remote.relay.faults == []
    folder = "runs/outage/"
    found = {key.removeprefix(folder): remote.store.get(key) for key in remote.store.list(folder)}
    differing = ("run.json", "ro-crate-metadata.json", "report/report.html", "report/ui/")
    assert {
        key: data for key, data in found.items() if not key.startswith(differing) and not key.endswith("timing.json")
    } == workplace.compared("runs/without-outage")


def test_wrong_credentials_end_a_run_with_78_before_anything_is_inferred(
    remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-right-one")
    run = start(*arguments(str(tmp_path / "run")))
    _, stderr = run.communicate(timeout=120)
    assert run.returncode == 78
    assert (
        "the server refuses the credentials (SignatureDoesNotMatch); check AWS_ACCESS_KEY_ID and its secret" in stderr
    )
    assert "not-the-right-one" not in stderr
    assert not (tmp_path / "run/results").exists()


def test_credentials_that_expire_during_a_run_end_it_with_78_and_it_is_resumed_with_new_ones(
    remote: Remote, workplace, tmp_path: Path
) -> None:
    expired = [Fault("GET", f"data/{number}.png", answer=(400, "ExpiredToken")) for number in (90, 95)]
    remote.relay.faults = expired * 2  # both clients are told
    run = start(*arguments(str(tmp_path / "run")))
    stdout, stderr = run.communicate(timeout=120)
    assert run.returncode == 78, stderr
    assert f"images on s3://{BUCKET}: the session token has expired; get new credentials, then run the same" in stderr
    assert "90.png" not in stderr
    assert f"run --resume {tmp_path / 'run'}" in stdout

    remote.relay.faults = []
    resumed = start("run", "--resume", str(tmp_path / "run"))
    stdout, stderr = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, stderr
    assert "Complete: 148 of 148 cases done" in stdout


def test_a_disk_that_is_full_for_a_while_only_costs_a_retry(workplace, tmp_path: Path) -> None:
    assert workplace.run("runs/with-room").returncode == 0
    with small_disk(tmp_path / "disk", "64k") as disk:
        folder = workplace.folder
        inputs = ["--dataset", str(folder / "data/cells.yml"), "--model", str(folder / "model"), "--shards", "2"]
        run = start("run", *inputs, "--run", str(disk.folder / "run"))
        assert run.stderr is not None
        said = []
        for line in run.stderr:
            said.append(line)
            if "; try 2 of" in line:
                disk.grow("20m")
        assert run.wait(timeout=120) == 0, "".join(said)
        assert any("failed with exit code 75 (temporary); try 2 of 6" in line for line in said)
        at_once = workplace.compared("runs/with-room")
        assert (disk.folder / "run/report/metrics.json").read_bytes() == at_once["report/metrics.json"]
        assert (disk.folder / "run/report/predictions.csv").read_bytes() == at_once["report/predictions.csv"]
