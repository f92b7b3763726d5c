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


def clear_run(folder: Path) -> None:
    """Remove an earlier run of the example."""
    if (folder / RUN).exists():
        shutil.rmtree(folder)


def judge(run: Path, metric: str, least: float) -> int:
    """Compare the mean of a metric with what the example promises; returns the exit code."""
    metrics: dict[str, Any] = json.loads((run / METRICS).read_bytes())["metrics"]
    found: float = metrics[metric]["mean"]
    verdict = "as promised" if found >= least else "BELOW WHAT THIS EXAMPLE PROMISES"
    print(f"{metric} {found:.4f}, at least {least}: {verdict}")
    return 0 if found >= least else EXIT_NOT_ACCEPTABLE
