"""Train a LeNet-5 on scanned digits, infer the test images in four shards, two at a time, and report."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from examples.walk import clear_run, judge, walk
from steps.command import run_command

LEAST_ACCURACY = 0.97


def main(arguments: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m examples.digits.demo", description=__doc__, epilog="example: %(prog)s --out build/demo"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER")
    out: Path = parser.parse_args(arguments).out
    dataset, model, run = str(out / "digits" / "digits.yml"), str(out / "lenet5"), out / "run"
    clear_run(run)
    code = walk(
        [
            ["examples.digits", "--out", str(out / "digits")],
            [
                *("steps.train", "--dataset", dataset, "--architecture", "lenet5", "--input-size", "32x32"),
                *("--channels", "1", "--shift", "2", "--epochs", "40", "--batch", "32"),
                *("--replace", "--out", model),
            ],
            [
                *("workflows.distributed_inference", "run", "--dataset", dataset, "--model", model),
                *("--split", "test", "--shards", "4", "--parallelism", "2", "--run", str(run)),
            ],
        ]
    )
    return code or judge(run, "accuracy", LEAST_ACCURACY)


if __name__ == "__main__":
    run_command(main)
