"""Train a small U-Net on axial slices of synthetic FLAIR volumes, infer the test volumes in two shards, and report.

Synthetic: this proves the path from volumes to metrics, not a model.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from examples.walk import clear_run, judge, walk
from steps.command import run_command

LEAST_IOU = 0.75


def main(arguments: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m examples.multiple_sclerosis.demo",
        description=__doc__,
        epilog="example: %(prog)s --out build/multiple-sclerosis",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER")
    out: Path = parser.parse_args(arguments).out
    dataset, model, run = str(out / "data" / "ms.yml"), str(out / "unet"), out / "run"
    clear_run(run)
    code = walk(
        [
            ["examples.multiple_sclerosis", "--out", str(out / "data")],
            [
                *("steps.train", "--dataset", dataset, "--architecture", "unet", "--input-size", "64x64"),
                *("--parameter", "width=8", "--parameter", "depth=2", "--channels", "1", "--scaling", "1000"),
                *("--batch", "8", "--classes", "lesion", "--epochs", "8", "--learning-rate", "0.01", "--replace"),
                *("--out", model),
            ],
            [
                *("workflows.distributed_inference", "run", "--dataset", dataset, "--model", model),
                *("--split", "test", "--shards", "2", "--parallelism", "2", "--run", str(run)),
                *("--surface-distances", "2", "--lesions"),
            ],
        ]
    )
    if code == 0:
        print("\nSynthetic volumes: this proves the path from volumes to metrics, not a model.")
    return code or judge(run, "iou", LEAST_IOU)


if __name__ == "__main__":
    run_command(main)
