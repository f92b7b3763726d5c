"""What is inferred: ISIC-sized JPEGs by a U-Net, and small PNGs by a LeNet-5; real pictures, resized.

The U-Net has learnt where the retina is bright, in a minute: what an untrained network says of a picture is noise, and
masks that are noise take several times as long to encode as any that a user sees.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image, ImageFilter
from sklearn.datasets import load_digits

from examples.dataset_file import write_dataset

SHARDS = 2
BRIGHT = 120
"""Grey level."""

PICTURES = 16
"""Of which the U-Net learns."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A dataset, and a model for it.

    Attributes:
        title: for the table.
        images: writes so many images into a folder; returns their names.
        model: writes the model's bundle into a folder.
        count: of images.
        in_bucket: of images where they are read from S3.
    """

    name: str
    title: str
    images: Callable[[Path, int], list[str]]
    model: Callable[[Path], None]
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


def _unet(bundle: Path, decode: str) -> None:
    lessons = bundle.with_name("lessons")
    lessons.mkdir()
    retina = Image.open(Path(skimage.data.__file__).parent / "retina.jpg")
    bright = retina.convert("L").filter(ImageFilter.GaussianBlur(20)).point(lambda grey: 255 * (grey >= BRIGHT))
    for number in range(PICTURES):
        left, top = 12 * number, 18 * (7 * number % PICTURES)
        part = (left, top, left + 1100, top + 732)
        retina.crop(part).resize((288, 192), Image.Resampling.BICUBIC).save(lessons / f"{number}.jpg", quality=96)
        bright.crop(part).resize((288, 192), Image.Resampling.NEAREST).save(lessons / f"{number}.png")
    entries = [{"location": f"{number}.jpg", "label": f"{number}.png"} for number in range(PICTURES)]
    split = {"training": range(PICTURES * 3 // 4), "validation": range(PICTURES * 3 // 4, PICTURES)}
    write_dataset(lessons / "dataset.yml", "lessons", "Where the retina is bright", entries, split)
    _call(
        *("steps.train", "--dataset", str(lessons / "dataset.yml"), "--epochs", "8", "--threads-per-step", "2"),
        *("--architecture", "unet", "--parameter", "width=16", "--input-size", "192x192", "--channels", "3"),
        *("--kind", "binary", "--classes", "bright", "--batch", "4", "--decode", decode, "--out", str(bundle)),
    )


def _lenet(bundle: Path) -> None:
    _call(
        *("steps.bundle", "pack", "--random-seed", "1", "--architecture", "lenet5", "--input-size", "28x28"),
        *("--channels", "1", "--kind", "multiclass", "--classes", ",".join(f"digit-{index}" for index in range(10))),
        *("--batch", "64", "--out", str(bundle)),
    )


def _call(*command: str) -> None:
    subprocess.run([sys.executable, "-m", *command], check=True, stdout=subprocess.DEVNULL)


WORKLOADS = (
    Workload("jpeg", "6-megapixel JPEGs, U-Net 192 x 192", _jpegs, partial(_unet, decode="full"), 320, 160),
    Workload("reduced", "the same, decoded at a reduced scale", _jpegs, partial(_unet, decode="reduced"), 320, 160),
    Workload("png", "28 x 28 PNGs, LeNet-5", _pngs, _lenet, 100_000, 20_000),
)


def make(workload: Workload, folder: Path, count: int) -> None:
    """Write ``images/`` with so many, ``images/dataset.yml`` and ``model/`` below a folder."""
    images = folder / "images"
    images.mkdir(parents=True)
    names = workload.images(images, count)
    dataset = {"name": workload.name, "images": names, "split": {"test": list(range(len(names)))}}
    (images / "dataset.yml").write_text(json.dumps(dataset))
    workload.model(folder / "model")
