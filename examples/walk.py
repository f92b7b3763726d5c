"""Walking through an example: each command is shown as a person would type it, then run."""

import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imaging_core.errors import EXIT_NOT_ACCEPTABLE
from imaging_core.run import METRICS, RUN


def walk(commands: Sequence[Sequence[str]]) -> int:
    """Run ``python -m`` with each list of arguments; stop at the first that fails. Returns its exit code, else 0."""
    started = time.monotonic()
    for command in commands:
        print(f"\n$ python -m {shlex.join(command)}", flush=True)
        code = subprocess.run([sys.executable, "-m", *command], check=False).returncode
        if code:
            return code if code > 0 else 128 - code
    print(f"\n{time.monotonic() - started:.0f} s in all", flush=True)
    return 0


def run_of(dataset: Path, model: Path, run: Path, *options: str, shards: int = 2) -> list[str]:
    """The command that infers the dataset's test images, two shards at a time, and reports; an earlier run is removed.

    Args:
        dataset: its file.
        model: the bundle's folder.
        run: where the run is to lie.
        options: further ones of the command.
        shards: how many.
    """
    if (run / RUN).exists():
        shutil.rmtree(run)
    return [
        *("workflows.distributed_inference", "run", "--dataset", str(dataset), "--model", str(model)),
        *("--split", "test", "--shards", str(shards), "--parallelism", "2", "--run", str(run), *options),
    ]


def judge(run: Path, metric: str, least: float) -> int:
    """Compare the mean of a metric with what the example promises; returns the exit code."""
    metrics: dict[str, Any] = json.loads((run / METRICS).read_bytes())["metrics"]
    found: float = metrics[metric]["mean"]
    verdict = "as promised" if found >= least else "BELOW WHAT THIS EXAMPLE PROMISES"
    print(f"{metric} {found:.4f}, at least {least}: {verdict}")
    return 0 if found >= least else EXIT_NOT_ACCEPTABLE
