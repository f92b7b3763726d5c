"""A small real dataset, a real bundle with random weights, and the command line as a person calls it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PROJECT = Path(__file__).parents[2]
CASES = 150


@dataclass(frozen=True)
class Workplace:
    """A folder with ``data/cells.yml`` and ``model/``; commands are called in it."""

    folder: Path

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        environment = os.environ | {"PYTHONPATH": str(PROJECT), "CUDA_VISIBLE_DEVICES": ""}
        return subprocess.Popen(
            [sys.executable, "-m", "workflows.distributed_inference", *arguments],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        process = self.start(*arguments)
        stdout, stderr = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def run(self, name: str, *options: str) -> "subprocess.CompletedProcess[str]":
        inputs = ("--dataset", "data/cells.yml", "--model", "model", "--run", name)
        return self.call("run", *inputs, "--shards", "2", "--parallelism", "2", *options)

    def compared(self, name: str) -> dict[str, bytes]:
        """Every file of a run that may not differ between runs."""
        folder = self.folder / name
        files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
        differing = ("run.json", "ro-crate-metadata.json", "report/report.html", "report/ui/", "logs/")
        return {
            key: path.read_bytes()
            for key, path in files.items()
            if not key.startswith(differing) and not key.endswith("timing.json")
        }


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    folder = tmp_path_factory.mktemp("workplace")
    make_dataset(folder / "data", range(CASES))
    make_model(folder / "model")
    return Workplace(folder)


def make_dataset(folder: Path, cases: Sequence[int]) -> None:
    """Grey noise of 40 x 40 pixels in three classes, two images for training, the others for test."""
    folder.mkdir(parents=True)
    lines = ["name: cells", "classes: [a, b, c]", "images:"]
    for case in cases:
        pixels = np.random.default_rng(case).integers(0, 256, (40, 40), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{case}.png")
        lines.append(f"  - {{location: {case}.png, label: {'abc'[case % 3]}}}")
    lines += ["split:", "  training: [0, 1]", f"  test: {list(range(2, len(cases)))}"]
    (folder / "cells.yml").write_text("\n".join(lines) + "\n")


def make_model(folder: Path) -> None:
    """LeNet-5 with random weights."""
    options = "--architecture lenet5 --input-size 32x32 --channels 1 --kind multiclass --classes a,b,c --random-seed 7"
    command = [sys.executable, "-m", "steps.bundle", "pack", *options.split(), "--out", str(folder)]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
