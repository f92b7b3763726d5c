"""The same run with everything in a bucket: dataset, images, model and run."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from imaging_core.store import Location, Store, open_store
from imaging_core.store.s3_client import client
from tests.s3_server import BUCKET, S3Server, running_server

PREFIX = f"s3://{BUCKET}/a hospital"
DIFFERING = ("run.json", "ro-crate-metadata.json", "report/report.html", "report/ui/")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_server(tmp_path_factory.mktemp("minio")) as server:
        yield server


@pytest.fixture
def bucket(server: S3Server, workplace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A bucket with the workplace's data and model."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    client.cache_clear()
    store = open_store(Location.parse(PREFIX))
    for part in ("data", "model"):
        for path in (workplace.folder / part).iterdir():
            store.put(f"{part}/{path.name}", path.read_bytes())
    yield store
    client.cache_clear()


def command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "workflows.distributed_inference", *arguments],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_run_in_a_bucket_gives_the_bytes_of_a_run_on_disk(bucket: Store, workplace) -> None:
    assert workplace.run("runs/beside-s3").returncode == 0
    options = ("--shards", "2", "--parallelism", "2", "--run", f"{PREFIX}/runs/1")
    ended = command("run", "--dataset", f"{PREFIX}/data/cells.yml", "--model", f"{PREFIX}/model", *options)

    assert ended.returncode == 0, ended.stderr
    assert f"Report: {PREFIX}/runs/1/report/report.html" in ended.stdout
    in_bucket = {
        key.removeprefix("runs/1/"): bucket.get(key)
        for key in bucket.list("runs/1/")
        if not key.removeprefix("runs/1/").startswith(DIFFERING) and not key.endswith("timing.json")
    }
    assert in_bucket == workplace.compared("runs/beside-s3")

    status = command("status", f"{PREFIX}/runs/1")
    assert status.returncode == 0
    assert "148: 148 done" in status.stdout


def test_a_missing_object_is_a_failed_case_and_a_wrong_bucket_an_error(bucket: Store) -> None:
    bucket.delete("data/7.png")
    inputs = ("--dataset", f"{PREFIX}/data/cells.yml", "--model", f"{PREFIX}/model", "--shards", "1")
    ended = command("run", *inputs, "--run", f"{PREFIX}/runs/2")
    assert ended.returncode == 1
    assert "147 of 148 cases done, 1 failed" in ended.stdout

    wrong = command("run", *inputs, "--run", "s3://no-such-bucket/runs/2")
    assert wrong.returncode == 78
    assert "there is no bucket 'no-such-bucket'" in wrong.stderr
