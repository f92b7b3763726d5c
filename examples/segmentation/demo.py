"""Train a small U-Net on slices of an averaged brain, infer the test slices in two shards, and report.

One averaged brain: this proves the path from images to metrics, not a model.
"""

from collections.abc import Sequence

from examples.command import out_folder
from examples.walk import judge, run_of, walk
from steps.command import run_command

LEAST_IOU = 0.8


def main(arguments: Sequence[str] | None) -> int:
    out = out_folder("examples.segmentation.demo", __doc__, "build/segmentation", arguments)
    dataset, model, run = out / "brain" / "brain.yml", out / "unet", out / "run"
    code = walk(
        [
            ["examples.segmentation", "--out", str(dataset.parent)],
            [
                *("steps.train", "--dataset", str(dataset), "--architecture", "unet", "--input-size", "232x200"),
                *("--parameter", "width=8", "--parameter", "depth=3", "--channels", "1", "--batch", "4"),
                *("--classes", "white matter", "--epochs", "12", "--learning-rate", "0.01", "--shift", "4"),
                *("--replace", "--out", str(model)),
            ],
            run_of(dataset, model, run),
        ]
    )
    if code == 0:
        print("\nOne averaged brain: this proves the path from images to metrics, not a model.")
    return code or judge(run, "iou", LEAST_IOU)


if __name__ == "__main__":
    run_command(main)
