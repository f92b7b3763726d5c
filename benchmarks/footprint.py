"""What a step needs: its peak memory, and the time until its first batch is done: ``python -m benchmarks.footprint``.

One step with two threads infers 100,000 small PNGs, or large JPEGs. Its memory is compared with that of a process which
imports PyTorch and loads the same bundle, its start with the time that this takes; both in turn, in one run.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.throughput.workload import WORKLOADS, Workload, make

IMAGES = {"png": 100_000, "jpeg": 160}

LOAD = """
import sys, torch
from imaging_core.models.bundle import load_model
from imaging_core.store import Location
load_model(Location.parse(sys.argv[1]), torch.device("cpu"))
"""


def ended(command: list[str]) -> float:
    """Runs it; returns its peak memory in GiB."""
    process = subprocess.Popen([sys.executable, *command], env=environment(), stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command!r} ended with {status}")
    return used.ru_maxrss / 2**20


def seconds_until(command: list[str], line: str) -> float:
    """Until it prints a line that begins so, or ends."""
    begun = time.monotonic()
    process = subprocess.Popen([sys.executable, *command], env=environment(), stdout=subprocess.PIPE, text=True)
    for said in process.stdout or ():
        if said.startswith(line):
            break
    else:
        process.wait()
    seconds = time.monotonic() - begun
    process.kill()
    process.wait()
    return seconds


def environment() -> dict[str, str]:
    return os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONUNBUFFERED": "1"}


def footprint(workload: Workload, folder: Path, rounds: int) -> None:
    make(workload, folder, workload.count)
    dataset, model = str(folder / "images" / "dataset.yml"), str(folder / "model")
    loading, begun, needed = [], [], 0.0
    for number in range(rounds):
        run = str(folder / f"run-{number}")
        split = ["-m", "steps.split_yaml", "--dataset", dataset, "--split", "test", "--shards", "1", "--run", run]
        ended(split)
        step = ["-m", "steps.infer", "--run", run, "--model", model, "--shard", "000"]
        step += ["--threads-per-step", "2", "--device", "cpu"]
        loading.append(seconds_until(["-c", LOAD, model], "-"))
        begun.append(seconds_until(step, "Batch 1/"))
        if number == 0:
            needed = ended(step)
    alone = ended(["-c", LOAD, model])
    ratio = statistics.median(ours / other for ours, other in zip(begun, loading, strict=True))
    print(f"\n{workload.title}, {workload.count} images, one step with two threads")
    print(f"  peak memory      {needed:5.2f} GiB, {needed - alone:.2f} beside the model and PyTorch ({alone:.2f})")
    print(
        f"  first batch done {statistics.median(begun):5.2f} s after the start; PyTorch and the model loaded "
        f"{statistics.median(loading):.2f} s: {ratio:.2f} x, median of {rounds}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.footprint", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often the start is timed (default: 5)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for workload in WORKLOADS:
            if workload.name in IMAGES:
                counted = replace(workload, count=IMAGES[workload.name])
                footprint(counted, Path(scratch) / workload.name, options.rounds)


if __name__ == "__main__":
    main()
