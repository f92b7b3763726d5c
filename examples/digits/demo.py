"""Train a LeNet-5 on scanned digits, infer the test images in four shards, two at a time, and report."""

from collections.abc import Sequence

from examples.command import out_folder
from examples.walk import judge, run_of, walk
from steps.command import run_command

LEAST_ACCURACY = 0.97


def main(arguments: Sequence[str] | None) -> int:
    out = out_folder("examples.digits.demo", __doc__, "build/demo", arguments)
    dataset, model, run = out / "digits" / "digits.yml", out / "lenet5", out / "run"
    code = walk(
        [
            ["examples.digits", "--out", str(dataset.parent)],
            [
                *("steps.train", "--dataset", str(dataset), "--architecture", "lenet5", "--input-size", "32x32"),
                *("--channels", "1", "--shift", "2", "--epochs", "40", "--batch", "32"),
                *("--replace", "--out", str(model)),
            ],
            run_of(dataset, model, run, shards=4),
        ]
    )
    return code or judge(run, "accuracy", LEAST_ACCURACY)


if __name__ == "__main__":
    run_command(main)
