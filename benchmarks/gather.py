"""Merging big runs: ``python -m benchmarks.gather`` (about five minutes on two cores, and 1 GB of disk).

Makes a run of a million classified cases (8 classes) and one of 100,000 binary masks, each in 1,000 shards, as split
and infer leave them, and prints what ``steps.gather`` takes for each, beside its limits and as a multiple of the floor
of any merge, measured in the same run: reading every ledger part and ``json.loads`` of each of its lines.

No image is there, so that pages hold no pictures. Of more than two cores two are used.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.big_run import BigRun
from imaging_core import run

FLOOR = """
import json, pathlib, sys
for part in sorted(pathlib.Path(sys.argv[1], "results").glob("*/cases/*.jsonl")):
    for line in part.read_bytes().splitlines():
        json.loads(line)
"""
TORCH_FREE = "import sys, steps.gather; sys.exit('torch' in sys.modules)"
CORES = 2


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process took: seconds, seconds of all its threads together, and GiB."""

    wall: float
    processor: float
    peak: float


def usage(*command: str) -> Usage:
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if status != 0:
        raise SystemExit(f"{' '.join(command)} ended with status {status}")
    return Usage(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20)


def start_time() -> None:
    started = min(usage("-m", "steps.gather", "--help").wall for _ in range(3))
    print(f"start (--help): {started:.2f} s (under 2 s)", end="")
    usage("-c", TORCH_FREE)
    print("; torch is not imported")


def measure(big: BigRun, options: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        prefix = big.make(Path(folder))
        print(f"\n{big.task}: {big.cases:,} cases in {big.shards:,} shards", end="")
        print(f" (made in {time.perf_counter() - begun:.0f} s)", flush=True)
        floor = usage("-c", FLOOR, str(prefix))
        took = usage("-m", "steps.gather", "--run", str(prefix), *options)
        page = (prefix / run.REPORT_PAGE).stat().st_size
    print(f"  wall       {took.wall:7.1f} s    (at most 60, aim 30), {took.wall / floor.wall:.1f} x the floor")
    print(f"  processor  {took.processor:7.1f} s    {took.processor / floor.processor:.1f} x the floor")
    print(f"  peak       {took.peak:7.2f} GiB  (at most 2, aim 1)")
    print(f"  page       {page / 1e6:7.2f} MB   (at most 10)")
    print(f"  floor: json.loads of each ledger line, {floor.wall:.1f} s, processor {floor.processor:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gather", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--classified", type=int, default=1_000_000, help="cases, 0 for none (default 1,000,000)")
    parser.add_argument("--segmented", type=int, default=100_000, help="cases, 0 for none (default 100,000)")
    parser.add_argument("--shards", type=int, default=1_000, help="of each run (default 1,000)")
    parser.add_argument("--grouped", action="store_true", help="with --patient and --group-by of gather")
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    start_time()
    asked = ("--patient", "patient", "--group-by", "sex") if options.grouped else ()
    if options.classified:
        measure(BigRun("classification", options.classified, options.shards, features=options.grouped), asked)
    if options.segmented:
        measure(BigRun("segmentation", options.segmented, options.shards, features=options.grouped), asked)


if __name__ == "__main__":
    main()
