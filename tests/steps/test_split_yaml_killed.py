"""python -m steps.split_yaml, killed at any moment: the next run leaves the same bytes, and nothing else."""

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import pytest

from imaging_core.dataset.split_run import SplitRequest, split_run
from imaging_core.store import Location
from imaging_core.store.local import LocalStore

PROJECT = Path(__file__).parents[2]
SHARDS = 40


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "set.yml"
    entries = [f"  - location: 'images/{n:05d} é.png'\n    label: masks/{n:05d}.png\n" for n in range(8000)]
    indices = [f"    - {n}\n" for n in random.Random(3).sample(range(8000), 6001)]
    path.write_text(f"name: killed\nimages:\n{''.join(entries)}split:\n  test:\n{''.join(indices)}")
    return path


def start(dataset, run):
    command = [sys.executable, "-m", "steps.split_yaml", "--dataset", str(dataset), "--split", "test"]
    command += ["--shards", str(SHARDS), "--run", str(run)]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(dataset, run):
    process = start(dataset, run)
    out, error = process.communicate()
    assert process.returncode == 0, error
    return out


def contents(run):
    return {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def clean(dataset, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "run"  # as deep as those that are killed: shards hold relative paths
    finish(dataset, run)
    return contents(run)


@pytest.mark.parametrize("moment", ["shards/000.yml", "shards/007.yml", "shards/023.yml", "shards/039.yml"])
def test_killed_when_a_file_appears(dataset, clean, moment, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "run"
    process = start(dataset, run)
    while not (run / moment).exists() and process.poll() is None:
        time.sleep(0.0005)
    process.kill()
    process.communicate()
    assert contents(run).items() <= clean.items()
    finish(dataset, run)
    assert contents(run) == clean


def test_killed_again_and_again_at_random_moments(dataset, clean, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "run"
    began = time.monotonic()
    finish(dataset, tmp_path_factory.mktemp("runs") / "run")
    takes = time.monotonic() - began
    rng = random.Random()
    for _ in range(8):
        process = start(dataset, run)
        time.sleep(rng.uniform(0.3, 1.1) * takes)
        process.kill()
        process.communicate()
        assert contents(run).items() <= clean.items()
    finish(dataset, run)
    assert contents(run) == clean
    assert "already split" in finish(dataset, run)


def test_one_that_comes_late_does_not_take_the_index_away(tmp_path):
    (tmp_path / "set.yml").write_text("images: [a.png, b.png, c.png]\nsplit: {test: [0, 1, 2]}\n")
    request = SplitRequest(Location.parse(str(tmp_path / "set.yml")), "test", 2, "balanced")
    root = Location.parse(str(tmp_path / "run"))

    class Late(LocalStore):
        """Others have finished before it looks around."""

        deleted: ClassVar[list[str]] = []

        def list(self, prefix=""):
            split_run(LocalStore(root), request)
            return super().list(prefix)

        def delete(self, key):
            self.deleted.append(key)
            super().delete(key)

    index, was_there = split_run(Late(root), request)
    assert (index.ids, was_there, Late.deleted) == (["000", "001"], False, [])


def test_two_at_once_leave_the_same_bytes(dataset, clean, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "run"
    processes = [start(dataset, run) for _ in range(2)]
    for process in processes:
        _, error = process.communicate()
        assert process.returncode == 0, error
    assert contents(run) == clean
