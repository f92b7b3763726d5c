"""What reading one small object from S3 costs, by the two clients in turn: ``python -m benchmarks.s3_small``.

Four threads read, as a step's do; the objects are 1 KB and carry our SHA-256. Prints CPU time, which other work on the
machine changes little, and wall time. MinIO is found on PATH or in $CLUSTER_BIN.
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

from imaging_core.store import Location, open_store
from imaging_core.store.s3_read import Download
from imaging_core.store.s3_small import read_small
from tests.s3_server import BUCKET, running_server

THREADS = 4
BYTES = 1000


def by_minio(location: Location) -> None:
    Download(location, io.BytesIO()).run()


def by_obstore(location: Location) -> None:
    if read_small(location, None) is None:
        raise SystemExit(f"{location}: obstore did not read it")


def cost(read: Callable[[Location], None], locations: list[Location]) -> tuple[float, float]:
    """CPU and wall time in microseconds an object."""
    cpu, wall = time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(read, locations):
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
        for read in (by_minio, by_obstore):
            cost(read, locations[:100])
        rounds = [(cost(by_minio, locations), cost(by_obstore, locations)) for _ in range(options.rounds)]
    for name, costs in zip(("minio", "obstore"), zip(*rounds, strict=True), strict=True):
        cpu, wall = (statistics.median(values) for values in zip(*costs, strict=True))
        print(f"{name:<8} {cpu:6.0f} µs of CPU time an object, {wall:6.0f} µs in all, median of {len(costs)}")
    ratio = statistics.median(minio[0] / obstore[0] for minio, obstore in rounds)
    print(f"minio takes {ratio:.1f} times the CPU time of obstore")


if __name__ == "__main__":
    main()
