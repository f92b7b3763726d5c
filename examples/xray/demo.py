"""Train a LeNet-5 on drawn chest X-rays in DICOM, infer the test images in three shards, and report."""

from collections.abc import Sequence

from examples.command import out_folder
from examples.walk import judge, run_of, walk
from steps.command import run_command

LEAST_ACCURACY = 0.95


def main(arguments: Sequence[str] | None) -> int:
    out = out_folder("examples.xray.demo", __doc__, "build/xray", arguments)
    dataset, model, run = out / "xray" / "xray.yml", out / "lenet5", out / "run"
    code = walk(
        [
            ["examples.xray", "--out", str(dataset.parent)],
            [
                *("steps.train", "--dataset", str(dataset), "--architecture", "lenet5", "--input-size", "32x32"),
                *("--channels", "1", "--resize", "area", "--mean", "0.5", "--std", "0.25", "--epochs", "25"),
                *("--batch", "32", "--replace", "--out", str(model)),
            ],
            run_of(dataset, model, run, shards=3),
        ]
    )
    return code or judge(run, "accuracy", LEAST_ACCURACY)


if __name__ == "__main__":
    run_command(main)
