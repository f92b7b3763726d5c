"""Train a small U-Net on axial slices of synthetic FLAIR volumes, infer the test volumes in two shards, and report.

Synthetic: this proves the path from volumes to metrics, not a model.
"""

from collections.abc import Sequence

from examples.command import out_folder
from examples.walk import judge, run_of, walk
from steps.command import run_command

LEAST_IOU = 0.75


def main(arguments: Sequence[str] | None) -> int:
    out = out_folder("examples.multiple_sclerosis.demo", __doc__, "build/multiple-sclerosis", arguments)
    dataset, model, run = out / "data" / "ms.yml", out / "unet", out / "run"
    code = walk(
        [
            ["examples.multiple_sclerosis", "--out", str(dataset.parent)],
            [
                *("steps.train", "--dataset", str(dataset), "--architecture", "unet", "--input-size", "64x64"),
                *("--parameter", "width=8", "--parameter", "depth=2", "--channels", "1", "--scaling", "1000"),
                *("--batch", "8", "--classes", "lesion", "--epochs", "8", "--learning-rate", "0.01", "--replace"),
                *("--out", str(model)),
            ],
            run_of(dataset, model, run, "--surface-distances", "2", "--lesions"),
        ]
    )
    if code == 0:
        print("\nSynthetic volumes: this proves the path from volumes to metrics, not a model.")
    return code or judge(run, "iou", LEAST_IOU)


if __name__ == "__main__":
    run_command(main)
