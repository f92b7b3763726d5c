"""Train a small U-Net and a small classifier on drawn skin lesions, infer the test images with both, and report.

Drawn: this proves the path from images to metrics, not a model.
"""

from collections.abc import Sequence

from examples.command import out_folder
from examples.skin_lesions.images import CLASSIFICATION, SEGMENTATION
from examples.walk import judge, run_of, walk
from steps.command import run_command

LEAST_IOU = 0.9
LEAST_ACCURACY = 0.8


def main(arguments: Sequence[str] | None) -> int:
    out = out_folder("examples.skin_lesions.demo", __doc__, "build/skin-lesions", arguments)
    data, unet, lenet = out / "data", out / "unet", out / "lenet5"
    masks, kinds = out / "segmentation", out / "classification"
    code = walk(
        [
            ["examples.skin_lesions", "--out", str(data)],
            [
                *("steps.train", "--dataset", str(data / SEGMENTATION), "--architecture", "unet"),
                *("--parameter", "width=8", "--parameter", "depth=2", "--input-size", "64x64", "--channels", "3"),
                *("--batch", "8", "--classes", "lesion", "--epochs", "4", "--learning-rate", "0.01"),
                *("--replace", "--out", str(unet)),
            ],
            run_of(data / SEGMENTATION, unet, masks),
            [
                *("steps.train", "--dataset", str(data / CLASSIFICATION), "--architecture", "lenet5"),
                *("--input-size", "32x32", "--channels", "3", "--resize", "area", "--batch", "16", "--shift", "2"),
                *("--epochs", "20", "--replace", "--out", str(lenet)),
            ],
            run_of(data / CLASSIFICATION, lenet, kinds),
        ]
    )
    if code == 0:
        print("\nDrawn lesions: this proves the path from images to metrics, not a model.")
    return code or max(judge(masks, "iou", LEAST_IOU), judge(kinds, "accuracy", LEAST_ACCURACY))


if __name__ == "__main__":
    run_command(main)
