"""Train a LeNet-5 on drawn chest X-rays in DICOM, infer the test images in three shards, and report."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from examples.walk import clear_run, judge, walk
from steps.command import run_command

LEAST_ACCURACY = 0.95


def main(arguments: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m examples.xray.demo", description=__doc__, epilog="example: %(prog)s --out build/xray"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER")
    out: Path = parser.parse_args(arguments).out
    dataset, model, run = str(out / "xray" / "xray.yml"), str(out / "lenet5"), out / "run"
    clear_run(run)
    code = walk(
        [
            ["examples.xray", "--out", str(out / "xray")],
            [
                *("steps.train", "--dataset", dataset, "--architecture", "lenet5", "--input-size", "32x32"),
                *(
                    "--channels",
                    "1",
                    "--resize",
                    "area",
                    "--mean",
                    "0.5",
                    "--std",
                    "0.25",
                    "--epochs",
                    "25",
                    "--batch",
                    "32",
                ),
                *("--replace", "--out", model),
            ],
            [
                *("workflows.distributed_inference", "run", "--dataset", dataset, "--model", model),
                *("--split", "test", "--shards", "3", "--parallelism", "2", "--run", str(run)),
            ],
        ]
    )
    return code or judge(run, "accuracy", LEAST_ACCURACY)


if __name__ == "__main__":
    run_command(main)
