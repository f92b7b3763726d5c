"""What reading one small object from S3 costs, in three ways in turn: ``python -m benchmarks.s3_small``.

By ``minio`` and by libcurl one after the other, and by libcurl 16 at once as tasks are fetched. Four threads read, as a
step's do; the objects are 1 KB and carry our SHA-256. Prints CPU time, which other work on the machine changes little,
and wall time. MinIO is found on PATH or in $CLUSTER_BIN.
"""

import argparse
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from imaging_core.inference.prefetch import GROUP
from imaging_core.store import Location, open_store, read_together
from imaging_core.store.s3_read import Download
from imaging_core.store.s3_small import read_small
from tests.s3_server import BUCKET, running_server

THREADS = 4
BYTES = 1000


def by_minio(location: Location) -> None:
    Download(location, io.BytesIO()).run()


def by_libcurl(location: Location) -> None:
    if read_small(location, None) is None:
        raise SystemExit(f"{location}: libcurl did not read it")


def at_once(locations: list[Location]) -> None:
    waiting = read_together(locations, None)
    if waiting is None or None in waiting():
        raise SystemExit(f"{locations[0]}: libcurl did not read it, or others with it")


Way = tuple[Callable[[Any], None], int]
WAYS: dict[str, Way] = {"minio": (by_minio, 1), "libcurl": (by_libcurl, 1), "at once": (at_once, GROUP)}


def cost(way: Way, locations: list[Location]) -> tuple[float, float]:
    """CPU and wall time in microseconds an object."""
    read, together = way
    groups = [locations[first : first + together] for first in range(0, len(locations), together)]
    cpu, wall = time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(read, locations if together == 1 else groups):
            pass
    each = 1e6 / len(locations)
    return (time.process_time() - cpu) * each, (time.perf_counter() - wall) * each


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.s3_small", description=__doc__)
    parser.add_argument("--objects", type=int, default=3000, help="how many are read in a round (default: 3000)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each client reads them (default: 5)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as server:
        os.environ.update(server.environment())
        store = open_store(Location.parse(f"s3://{BUCKET}/small"))
        keys = [f"{number:06}" for number in range(options.objects)]
        with ThreadPoolExecutor(THREADS) as pool:
            for _ in pool.map(lambda key: store.put(key, os.urandom(BYTES)), keys):
                pass
        locations = [store.root.join(key) for key in keys]
        for way in WAYS.values():
            cost(way, locations[:100])
        rounds = [[cost(way, locations) for way in WAYS.values()] for _ in range(options.rounds)]
    for name, costs in zip(WAYS, zip(*rounds, strict=True), strict=True):
        cpu, wall = (statistics.median(values) for values in zip(*costs, strict=True))
        print(f"{name:<8} {cpu:6.0f} µs of CPU time an object, {wall:6.0f} µs in all, median of {len(costs)}")
    ratio = statistics.median(minio[0] / together[0] for minio, _, together in rounds)
    print(f"minio takes {ratio:.1f} times the CPU time of libcurl with {GROUP} at once")


if __name__ == "__main__":
    main()
