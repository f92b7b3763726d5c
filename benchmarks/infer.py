"""Inference throughput on two cores, all measured in turn in one run: ``python -m benchmarks.infer``.

(a) a plain PyTorch DataLoader script with two workers, (b) Ray Data, (c) the model alone on ready tensors, up to masks
at the images' size, (d) fetching, decoding and preparing alone; and ours, as ``run`` does it: two steps of one thread
at the same time. Stages share the cores, so that the most that can be reached is 1 / (1/c + 1/d).

``--latency`` asks instead how each does with a store far away: MinIO behind toxiproxy, and a quarter of the images. No
bound is computed then, since waiting takes no processor.

Ray is not among the developers' requirements; ``requirements/benchmarks.txt`` brings it. MinIO and toxiproxy are found
on PATH or in $CLUSTER_BIN.
"""

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from benchmarks.throughput.workload import SHARDS, WORKLOADS, Workload, make

Rates = dict[str, list[float]]
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}


def module(
    *arguments: str, environment: dict[str, str], threads: dict[str, str] = ONE_THREAD
) -> "subprocess.Popen[str]":
    environment = os.environ | environment | threads | {"CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen([sys.executable, "-m", *arguments], env=environment, stdout=subprocess.PIPE, text=True)


def ended(process: "subprocess.Popen[str]") -> str:
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{process.args!r} ended with exit code {process.returncode}")
    return output.strip()


def peer(name: str, folder: str, out: str, environment: dict[str, str]) -> float:
    threads = {} if name == "dataloader" else ONE_THREAD
    said = ended(module(f"benchmarks.throughput.{name}", folder, out, environment=environment, threads=threads))
    return float(said.splitlines()[-1])


def part(name: str, folder: str, environment: dict[str, str]) -> float:
    shares = [
        module("benchmarks.throughput.parts", name, folder, str(share), environment=environment)
        for share in range(SHARDS)
    ]
    return sum(float(ended(share)) for share in shares)


def ours(folder: str, run: str, environment: dict[str, str]) -> float:
    split = ("--dataset", f"{folder}/images/dataset.yml", "--split", "test", "--shards", str(SHARDS), "--run", run)
    ended(module("steps.split_yaml", *split, environment=environment))
    given = ("--run", run, "--model", f"{folder}/model", "--threads-per-step", "1", "--device", "cpu")
    steps = [
        module("steps.infer", *given, "--shard", f"{shard:03}", environment=environment) for shard in range(SHARDS)
    ]
    for step in steps:
        ended(step)
    return sum(rate_of(run, f"{shard:03}", environment) for shard in range(SHARDS))


def rate_of(run: str, shard: str, environment: dict[str, str]) -> float:
    code = (
        "import sys; from imaging_core.report.timings import read_timing; from imaging_core.store import *; "
        "print(read_timing(open_store(Location.parse(sys.argv[1])), sys.argv[2])['cases_per_second'])"
    )
    command = [sys.executable, "-c", code, run, shard]
    return float(
        subprocess.run(command, env=os.environ | environment, check=True, capture_output=True, text=True).stdout
    )


def measured(
    workload: Workload,
    folder: str,
    scratch: Callable[[], str],
    environment: dict[str, str],
    rounds: int,
    *,
    bound: bool = True,
) -> Rates:
    ray = find_spec("ray") is not None
    kinds: dict[str, Callable[[], float]] = {
        "ours": lambda: ours(folder, scratch(), environment),
        "a": lambda: peer("dataloader", folder, scratch(), environment),
        **({"b": lambda: peer("ray_data", folder, scratch(), environment)} if ray else {}),
    }
    if bound:
        kinds |= {name: partial(part, of, folder, environment) for name, of in (("c", "model"), ("d", "decode"))}
    rates: Rates = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, rate in kinds.items():
            rates[kind].append(rate())
            print(f"  {workload.name}: {kind} {rates[kind][-1]:.1f}/s", file=sys.stderr, flush=True)
    return rates


def show(title: str, rates: Rates) -> None:
    median = {kind: statistics.median(values) for kind, values in rates.items()}
    ratios = {
        kind: statistics.median(our / other for our, other in zip(rates["ours"], rates[kind], strict=True))
        for kind in ("a", "b")
        if kind in rates
    }
    names = {"a": "DataLoader", "b": "Ray Data", "c": "model alone", "d": "decoding alone"}
    print(f"\n{title}: images a second, median of {len(rates['ours'])}")
    print(f"  ours            {median['ours']:9.1f}")
    for kind, name in names.items():
        if kind in median:
            ratio = f"   ours is {ratios[kind]:.2f} x" if kind in ratios else ""
            print(f"  ({kind}) {name:<15} {median[kind]:7.1f}{ratio}")
    if "c" not in rates:
        return
    bounds = [1 / (1 / c + 1 / d) for c, d in zip(rates["c"], rates["d"], strict=True)]
    of_bound = statistics.median(our / bound for our, bound in zip(rates["ours"], bounds, strict=True))
    print(f"  bound from c, d {statistics.median(bounds):9.1f}   ours is {of_bound:.2f} of it", flush=True)


@contextmanager
def minio(folder: Path, latency: int) -> Iterator[tuple[str, dict[str, str], dict[str, str]]]:
    """A bucket, the environment of those who are to be near to it, and that of those who are so many ms away."""
    from tests.s3_server import BUCKET, running_server, running_toxiproxy

    with running_server(folder) as server, running_toxiproxy(server.port) as line:
        near = server.environment()
        line.add("latency", latency=latency)
        yield f"s3://{BUCKET}", near, server.environment(line.endpoint) if latency else near


def upload(folder: Path, to: str, environment: dict[str, str]) -> None:
    code = (
        "import sys, pathlib; from concurrent.futures import ThreadPoolExecutor; from imaging_core.store import *; "
        "store = open_store(Location.parse(sys.argv[2])); root = pathlib.Path(sys.argv[1]); "
        "files = [path for path in root.rglob('*') if path.is_file()]; "
        "list(ThreadPoolExecutor(4).map(lambda path: store.put(str(path.relative_to(root)), path.read_bytes()), files))"
    )
    subprocess.run([sys.executable, "-c", code, str(folder), to], env=os.environ | environment, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.infer", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [workload.name for workload in WORKLOADS]
    parser.add_argument("--only", choices=names, action="append", help="these workloads (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured, in turn (default: 3)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--disk-only", action="store_true", help="without MinIO")
    where.add_argument("--latency", type=int, metavar="MS", help="only from a MinIO that answers so much later")
    options = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        for workload in WORKLOADS:
            if options.only and workload.name not in options.only:
                continue
            folder = Path(scratch) / workload.name
            if options.latency is None:
                from_disk(workload, folder, options.rounds)
            if not options.disk_only:
                from_minio(workload, folder, options.rounds, options.latency)
    print(f"\n{(time.monotonic() - begun) / 60:.0f} minutes")


def from_disk(workload: Workload, folder: Path, rounds: int) -> None:
    numbers = itertools.count()

    def scratch() -> str:  # nothing is removed meanwhile: ext4 without a journal then is slow to make files
        out = folder / f"out-{next(numbers)}"
        out.mkdir()
        return str(out)

    make(workload, folder, workload.count)
    show(f"{workload.title}, from disk", measured(workload, str(folder), scratch, {}, rounds))


def from_minio(workload: Workload, folder: Path, rounds: int, latency: int | None) -> None:
    numbers = itertools.count()
    to_upload = folder.with_suffix(".upload")
    make(workload, to_upload, workload.in_bucket if latency is None else workload.in_bucket // 4)
    with minio(folder.with_suffix(".minio"), latency or 0) as (bucket, near, environment):
        upload(to_upload, f"{bucket}/in", near)
        rates = measured(
            workload,
            f"{bucket}/in",
            lambda: f"{bucket}/out-{next(numbers)}",
            environment,
            rounds,
            bound=latency is None,
        )
    show(f"{workload.title}, from MinIO" + (f", {latency} ms away" if latency else ""), rates)


if __name__ == "__main__":
    main()
