"""The ISIC 2017 test images beside the published figures: ``python -m benchmarks.isic_2017 --model BUNDLE …``.

Give the folders of the challenge's part 1 (lesion segmentation) as they are unpacked: 600 photographs
``ISIC_*.jpg`` and their masks ``ISIC_*_segmentation.png``. Any model bundle that says one class will do. The images are
inferred by the same pipeline that users run; its report stays beside the figures.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

PUBLISHED = {
    "iou_deephealth": (
        ("SegNet, DeepHealth", 0.770),
        ("UNet++, DeepHealth", 0.771),
    ),
    "iou": (("best of the challenge (Codella et al. 2018, arXiv 1710.05006)", 0.765),),
}
"""By the metric of ours that is computed in the same way: per image, unweighted mean."""

IMAGES = 600
"""Of the test set; the figures of another number of images are not comparable."""


def write_dataset(images: Path, masks: Path, to: Path) -> int:
    """Write a DTD file of these images, all in the split ``test``; how many there are."""
    found = sorted(images.resolve().glob("*.jpg"))
    if not found:
        raise SystemExit(f"{images}: holds no *.jpg; give the folder of ISIC-2017_Test_v2_Data")
    entries = []
    for image in found:
        mask = masks.resolve() / f"{image.stem}_segmentation.png"
        if not mask.is_file():
            raise SystemExit(f"{mask} is missing; give the folder of ISIC-2017_Test_v2_Part1_GroundTruth")
        entries.append({"location": str(image), "label": str(mask)})
    document = {"name": "ISIC 2017 test", "images": entries, "split": {"test": list(range(len(entries)))}}
    to.write_text(yaml.safe_dump(document, sort_keys=False))
    return len(entries)


def table(metrics: dict[str, dict[str, float]], intervals: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    """Our figures with their intervals, the published ones below each."""
    lines = []
    for name, published in PUBLISHED.items():
        interval = intervals.get(name, {}).get("mean")
        ends = f"   95 % {interval['low']:.3f} to {interval['high']:.3f}" if interval else ""
        lines.append(f"  {name + ', ours':<64} {metrics[name]['mean']:.3f}{ends}")
        lines += [f"    {whose:<62} {figure:.3f}" for whose, figure in published]
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.isic_2017",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--images", type=Path, required=True, metavar="FOLDER", help="ISIC-2017_Test_v2_Data")
    parser.add_argument("--masks", type=Path, required=True, metavar="FOLDER", help="…_Part1_GroundTruth")
    parser.add_argument("--model", required=True, metavar="LOCATION", help="model bundle")
    parser.add_argument("--out", type=Path, default=Path("build/isic-2017"), help="default build/isic-2017")
    parser.add_argument("run_options", nargs="*", metavar="-- OPTION", help="further options of `run`, after --")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    dataset, run = options.out / "dataset.yml", options.out / "run"
    images = write_dataset(options.images, options.masks, dataset)
    roots = [word for folder in (options.images, options.masks) for word in ("--allow-root", str(folder.resolve()))]
    given = ["--dataset", str(dataset), "--model", options.model, "--run", str(run), *roots, *options.run_options]
    ended = subprocess.run([sys.executable, "-m", "workflows.distributed_inference", "run", *given], check=False)
    if ended.returncode:
        return ended.returncode
    document = json.loads((run / "report/metrics.json").read_text())
    print(f"\nISIC 2017, part 1: {document['cases']['scored']} of {images} images scored")
    print("\n".join(table(document["metrics"], document["intervals"]["metrics"])))
    if images != IMAGES:
        print(f"Published figures are of {IMAGES} images; these are of {images}, so that they cannot be compared.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
