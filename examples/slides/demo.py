"""Train a small U-Net on tiles of drawn slides, infer other slides in two shards, and report.

No patient was ever seen: this proves the path from slides to metrics, not a model.
"""

from collections.abc import Sequence

from examples.command import out_folder
from examples.walk import judge, run_of, walk
from steps.command import run_command

LEAST_IOU = 0.8


def main(arguments: Sequence[str] | None) -> int:
    out = out_folder("examples.slides.demo", __doc__, "build/slides", arguments)
    data, model, run = out / "data", out / "unet", out / "run"
    code = walk(
        [
            ["examples.slides", "--out", str(data)],
            [
                *("steps.train", "--dataset", str(data / "tiles.yml"), "--architecture", "unet"),
                *("--input-size", "128x128", "--parameter", "width=8", "--parameter", "depth=3", "--channels", "3"),
                *("--mpp", "1.0", "--overlap", "0.25", "--classes", "tumour", "--batch", "8", "--epochs", "12"),
                *("--learning-rate", "0.01", "--replace", "--out", str(model)),
            ],
            run_of(data / "slides.yml", model, run),
        ]
    )
    if code == 0:
        print(f"\nMasks, heat maps and outlines for QuPath: {run / 'outputs'}")
        print("No patient was ever seen: this proves the path from slides to metrics, not a model.")
    return code or judge(run, "iou", LEAST_IOU)


if __name__ == "__main__":
    run_command(main)
