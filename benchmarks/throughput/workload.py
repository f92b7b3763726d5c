"""What is inferred: ISIC-sized JPEGs by a U-Net, and small PNGs by a LeNet-5; real pictures, resized."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image
from sklearn.datasets import load_digits

SHARDS = 2


@dataclass(frozen=True, slots=True)
class Workload:
    """A dataset, and a model for it.

    Attributes:
        title: for the table.
        images: writes so many images into a folder; returns their names.
        pack: options of ``steps.bundle pack``.
        count: of images.
        in_bucket: of images where they are read from S3.
    """

    name: str
    title: str
    images: Callable[[Path, int], list[str]]
    pack: str
    count: int
    in_bucket: int


def _jpegs(folder: Path, count: int) -> list[str]:
    """3008 x 2000 pixels in colour, about 2 MB each, as ISIC's; each another part of a real retina."""
    retina = Image.open(Path(skimage.data.__file__).parent / "retina.jpg")
    noise = np.random.default_rng(0).normal(0, 1.5, (2000, 3008, 3)).astype(np.float32)
    names = []
    for number in range(count):
        shift = 4 * number % 100
        part = retina.crop((shift, 200 + shift, 1300 + shift, 1064 + shift)).resize(
            (3008, 2000), Image.Resampling.BICUBIC
        )
        pixels = np.clip(np.asarray(part, np.float32) + np.roll(noise, 97 * number, 1), 0, 255).astype(np.uint8)
        names.append(f"{number:05}.jpg")
        Image.fromarray(pixels).save(folder / names[-1], quality=96)
    return names


def _pngs(folder: Path, count: int) -> list[str]:
    """28 x 28 grey pixels, about 500 bytes each: scikit-learn's real scanned digits, enlarged."""
    digits = load_digits().images
    names = []
    for number in range(count):
        small = Image.fromarray((digits[number % len(digits)] * 15.9).astype(np.uint8))
        names.append(f"{number:06}.png")
        small.resize((28, 28), Image.Resampling.BICUBIC).save(folder / names[-1])
    return names


_UNET = (
    "--architecture unet --parameter width=16 --input-size 192x192 --channels 3 --kind binary --batch 4 --classes skin"
)
_LENET = "--architecture lenet5 --input-size 28x28 --channels 1 --kind multiclass --classes {} --batch 64".format(
    ",".join(f"digit-{index}" for index in range(10))
)
WORKLOADS = (
    Workload("jpeg", "6-megapixel JPEGs, U-Net 192 x 192", _jpegs, _UNET, 160, 160),
    Workload("reduced", "the same, decoded at a reduced scale", _jpegs, f"{_UNET} --decode reduced", 160, 160),
    Workload("png", "28 x 28 PNGs, LeNet-5", _pngs, _LENET, 100_000, 20_000),
)


def make(workload: Workload, folder: Path, count: int) -> None:
    """Write ``images/`` with so many, ``images/dataset.yml`` and ``model/`` below a folder."""
    images = folder / "images"
    images.mkdir(parents=True)
    names = workload.images(images, count)
    dataset = {"name": workload.name, "images": names, "split": {"test": list(range(len(names)))}}
    (images / "dataset.yml").write_text(json.dumps(dataset))
    command = [sys.executable, "-m", "steps.bundle", "pack", *workload.pack.split(), "--random-seed", "1"]
    subprocess.run([*command, "--out", str(folder / "model")], check=True, stdout=subprocess.DEVNULL)
