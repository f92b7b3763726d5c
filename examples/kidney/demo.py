"""Train a small U-Net on axial slices of synthetic CT series, infer the test patients in two shards, and report.

Synthetic: this proves the path from series to metrics, not a model.
"""

from collections.abc import Sequence

from examples.command import out_folder
from examples.kidney.images import CLASSES
from examples.walk import judge, run_of, walk
from steps.command import run_command

LEAST_IOU = 0.75


def main(arguments: Sequence[str] | None) -> int:
    out = out_folder("examples.kidney.demo", __doc__, "build/kidney-demo", arguments)
    dataset, model, run = out / "data" / "kidney.yml", out / "unet", out / "run"
    code = walk(
        [
            ["examples.kidney", "--out", str(dataset.parent)],
            [
                *("steps.train", "--dataset", str(dataset), "--architecture", "unet", "--input-size", "64x64"),
                *("--parameter", "width=8", "--parameter", "depth=2", "--channels", "1", "--batch", "4"),
                *("--dicom", "rescaled", "--clip=-160,240", "--orientation", "LPS"),
                *("--classes", ",".join(CLASSES), "--epochs", "10", "--learning-rate", "0.02"),
                *("--replace", "--out", str(model)),
            ],
            run_of(dataset, model, run, "--surface-distances", "2", "--lesions"),
        ]
    )
    if code == 0:
        print("\nSynthetic series: this proves the path from series to metrics, not a model.")
    return code or judge(run, "iou", LEAST_IOU)


if __name__ == "__main__":
    run_command(main)
