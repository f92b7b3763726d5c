"""Train a small U-Net on tiles of drawn slides, infer other slides in two shards, and report.

No patient was ever seen: this proves the path from slides to metrics, not a model.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from examples.walk import clear_run, judge, walk
from steps.command import run_command

LEAST_IOU = 0.8


def main(arguments: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m examples.slides.demo", description=__doc__, epilog="example: %(prog)s --out build/slides"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER")
    out: Path = parser.parse_args(arguments).out
    data, model, run = out / "data", str(out / "unet"), out / "run"
    clear_run(run)
    code = walk(
        [
            ["examples.slides", "--out", str(data)],
            [
                *("steps.train", "--dataset", str(data / "tiles.yml"), "--architecture", "unet"),
                *("--input-size", "128x128", "--parameter", "width=8", "--parameter", "depth=3", "--channels", "3"),
                *("--mpp", "1.0", "--overlap", "0.25", "--classes", "tumour", "--batch", "8", "--epochs", "12"),
                *("--learning-rate", "0.01", "--replace", "--out", model),
            ],
            [
                *("workflows.distributed_inference", "run", "--dataset", str(data / "slides.yml"), "--model", model),
                *("--split", "test", "--shards", "2", "--parallelism", "2", "--run", str(run)),
            ],
        ]
    )
    if code == 0:
        print(f"\nMasks, heat maps and outlines for QuPath: {run / 'outputs'}")
        print("No patient was ever seen: this proves the path from slides to metrics, not a model.")
    return code or judge(run, "iou", LEAST_IOU)


if __name__ == "__main__":
    run_command(main)
