"""Reading and splitting dataset files: ``python -m benchmarks.split`` (about three minutes on two cores).

Prints how much faster our reader is than PyYAML's C loader on the same 25,000-image file, layout by layout, both timed
in turn in this process; then what ``steps.split_yaml`` takes for a million images in 100 shards, as a whole process.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from imaging_core.dataset.dtd import parse_dataset
from imaging_core.store import Location

IMAGES = 25_000
MILLION = 1_000_000
ROUNDS = 3


def masks(count: int) -> dict[str, Any]:
    """As the ISIC segmentation dataset."""
    entries = [{"location": f"images/ISIC_{i:07}.jpg", "label": f"truth/ISIC_{i:07}_seg.png"} for i in range(count)]
    return {"name": "masks", "images": entries, "split": {"training": [0, 1], "test": list(range(2, count))}}


def classes(count: int, labels: list[str], names: list[str]) -> dict[str, Any]:
    """As the ISIC classification datasets."""
    entries = [{"location": f"images/ISIC_{i:07}.jpg", "label": labels[i % len(labels)]} for i in range(count)]
    return {"name": "classes", "classes": names, "images": entries, "split": {"test": list(range(count))}}


def values(count: int) -> dict[str, Any]:
    """With features."""
    entries = [{"location": f"i/{i}.png", "label": "a", "values": [i % 90, "female"]} for i in range(count)]
    return {"classes": ["a", "b"], "features": ["age", "sex"], "images": entries, "split": {"test": [0, 1]}}


def strings(count: int) -> dict[str, Any]:
    """Images without labels."""
    return {"images": [f"images/scan {i}.png" for i in range(count)], "split": {"test": list(range(count))}}


def by_hand(dataset: dict[str, Any]) -> str:
    """As the real files are written: two spaces, location first, a line for each index."""
    lines = [f"{key}: {json.dumps(dataset[key])}" for key in ("name", "classes", "features") if key in dataset]
    lines.append("images:")
    for entry in dataset["images"]:
        lines += [f"  - location: {entry['location']}", f"    label: {entry['label']}"]
    lines.append("split:")
    for name, indices in dataset["split"].items():
        lines += [f"  {name}:", *(f"    - {index}" for index in indices)]
    return "\n".join(lines) + "\n"


def dumped(**options: Any) -> Callable[[dict[str, Any]], str]:
    """As PyYAML writes it."""
    return lambda dataset: yaml.dump(dataset, Dumper=yaml.CSafeDumper, **options)


def layouts(count: int) -> dict[str, str]:
    """Name to text."""
    seven = ["MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"]
    eight = [str(index) for index in range(8)]
    return {
        "real layout, masks": by_hand(masks(count)),
        "real layout, class names": by_hand(classes(count, seven, seven)),
        "real layout, quoted indices": by_hand(classes(count, [f"'{name}'" for name in eight], eight)),
        "yaml.dump, masks": dumped()(masks(count)),
        "yaml.dump, sort_keys=False": dumped(sort_keys=False)(classes(count, seven, seven)),
        "yaml.dump, with values": dumped()(values(count)),
        "yaml.dump, string entries": dumped()(strings(count)),
        "yaml.dump, default_flow_style=None": dumped(default_flow_style=None)(masks(count)),
        "JSON": json.dumps(masks(count), indent=1),
    }


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare_readers() -> None:
    print(f"reading {IMAGES:,} images, median of {ROUNDS} rounds in turn")
    print(f"{'layout':36} {'ours':>9} {'PyYAML C':>9} {'ratio':>7}")
    for name, text in layouts(IMAGES).items():
        data = text.encode()
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(seconds(lambda: parse_dataset(data, Location.parse("/data/d.yml"))))  # noqa: B023
            theirs.append(seconds(lambda: yaml.load(data, Loader=yaml.CSafeLoader)))  # noqa: B023
        our, their = statistics.median(ours), statistics.median(theirs)
        print(f"{name:36} {our:7.3f} s {their:7.3f} s {their / our:6.1f}x", flush=True)


def split_a_million(folder: Path) -> None:
    dataset = folder / "million.yml"
    dataset.write_text(by_hand(masks(MILLION)))
    command = [
        sys.executable,
        "-m",
        "steps.split_yaml",
        "--dataset",
        str(dataset),
        "--split",
        "test",
        "--shards",
        "100",
    ]
    start = time.perf_counter()
    process = subprocess.Popen([*command, "--run", str(folder / "run")], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"split ended with status {status}")
    print(f"\nsteps.split_yaml, {MILLION:,} images into 100 shards: {time.perf_counter() - start:.1f} s, ", end="")
    print(f"peak {usage.ru_maxrss / 2**20:.2f} GiB (at most 15 s and 2 GiB; aim 5 s and 1 GiB)")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.split", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    compare_readers()
    with tempfile.TemporaryDirectory() as folder:
        split_a_million(Path(folder))


if __name__ == "__main__":
    main()
