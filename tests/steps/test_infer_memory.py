"""Real shortage of memory: what is too large for it fails alone, what fits alone is done."""

import os
import subprocess
import sys

import imagecodecs
import numpy as np
import pytest

from imaging_core.inference.memory import container_limit
from tests import small_run
from tests.small_run import infer, make_bundle, make_images, make_masks, records, split

STEP = """
import resource, sys
import imaging_core.inference.execute
from steps import infer
from steps.command import run_command

def data():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmData"))
    return int(line.split()[1]) * 1024

limit = data() + int(sys.argv[1]) * 1024 * 1024
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
run_command(lambda _: infer.main(sys.argv[2:]))
"""
"""Infers with so many MiB above what the program itself needs."""


def infer_within(mebibytes, run, model, *options):
    return subprocess.run(
        [sys.executable, "-c", STEP, str(mebibytes), *small_run.arguments_of(run, model), *options],
        cwd=small_run.PROJECT,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def make(tmp_path):
    """Makes a run of eight small cases and large ones of this side between them; masks, too, where asked for."""

    def run(side, large, masks=True):
        data = tmp_path / "data"
        names, truths = make_images(data, 8), make_masks(data, 8)
        entries = [{"location": name, "label": truth} for name, truth in zip(names, truths, strict=True)]
        (data / "mask-large.png").write_bytes(imagecodecs.png_encode(np.zeros((side, side), np.uint8)))
        for number in range(large):
            (data / f"large-{number}.png").write_bytes(imagecodecs.png_encode(np.zeros((side, side, 3), np.uint8)))
            (data / f"mask-large-{number}.png").hardlink_to(data / "mask-large.png")
            entries.insert(3, {"location": f"large-{number}.png", "label": f"mask-large-{number}.png"})
        if not masks:
            entries = [{"location": entry["location"]} for entry in entries]
        make_bundle(tmp_path / "model", "segmentation", "binary", ["bright"])
        split(small_run.write_dataset(data, entries), tmp_path / "run", 1)
        return tmp_path / "run", tmp_path / "model"

    return run


@pytest.mark.parametrize(("mebibytes", "where"), [(130, "decoding"), (600, "resizing")])
def test_a_huge_image_fails_alone_wherever_memory_runs_out(make, mebibytes, where):
    run, model = make(8_000, 1)  # 183 MiB as decoded, four times that as floats
    ended = infer_within(mebibytes, run, model)
    assert ended.returncode == 0, ended.stderr
    found = records(run)
    assert [number for number, record in found.items() if record.state == "failed"] == ["3"]
    assert found["3"].kind == "out_of_memory"
    assert ("decode" in found["3"].reason) == (where == "decoding")
    infer(run, model, "000", "--retry-failed")
    assert {record.state for record in records(run).values()} == {"done"}


def test_large_images_that_fit_only_one_at_a_time_are_all_done(make):
    run, model = make(6_000, 6, masks=False)  # 103 MiB as decoded, 412 MiB as floats
    ended = infer_within(800, run, model, "--threads-per-step", "4")
    assert ended.returncode == 0, ended.stderr
    assert {record.state for record in records(run).values()} == {"done"}


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"memory.max": "max\n"}, None),
        ({"memory.max": "4294967296\n"}, 4 * 2**30),
        ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        ({"memory/memory.limit_in_bytes": "1073741824\n"}, 2**30),
        ({}, None),
    ],
)
def test_the_limit_of_a_container_is_read_from_either_kind_of_cgroup(tmp_path, files, limit):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert container_limit(tmp_path) == limit
