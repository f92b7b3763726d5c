"""Train a small U-Net on slices of an averaged brain, infer the test slices in two shards, and report.

One averaged brain: this proves the path from images to metrics, not a model.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from examples.walk import clear_run, judge, walk
from steps.command import run_command

LEAST_IOU = 0.8


def main(arguments: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m examples.segmentation.demo",
        description=__doc__,
        epilog="example: %(prog)s --out build/segmentation",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER")
    out: Path = parser.parse_args(arguments).out
    dataset, model, run = str(out / "brain" / "brain.yml"), str(out / "unet"), out / "run"
    clear_run(run)
    code = walk(
        [
            ["examples.segmentation", "--out", str(out / "brain")],
            [
                *("steps.train", "--dataset", dataset, "--architecture", "unet", "--input-size", "232x200"),
                *("--parameter", "width=8", "--parameter", "depth=3", "--channels", "1", "--batch", "4"),
                *("--classes", "white matter", "--epochs", "12", "--learning-rate", "0.01", "--shift", "4"),
                *("--replace", "--out", model),
            ],
            [
                *("workflows.distributed_inference", "run", "--dataset", dataset, "--model", model),
                *("--split", "test", "--shards", "2", "--parallelism", "2", "--run", str(run)),
            ],
        ]
    )
    if code == 0:
        print("\nOne averaged brain: this proves the path from images to metrics, not a model.")
    return code or judge(run, "iou", LEAST_IOU)


if __name__ == "__main__":
    run_command(main)
