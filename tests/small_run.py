"""A small dataset of real crops in several formats, small bundles of random weights, and the steps that use them."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
import torch
from PIL import Image

from imaging_core.inference.ledger import Record, read_part
from imaging_core.models.bundle import pack
from imaging_core.models.card import UNPACKED, Card, make_card
from imaging_core.models.initialise import initialise
from imaging_core.models.registry import build
from imaging_core.store import Location
from steps import infer as infer_step
from steps import split_yaml

PROJECT = Path(__file__).parents[1]
FORMATS = ("png", "jpg", "tif", "bmp")


def make_bundle(
    folder: Path,
    task: str,
    kind: str,
    classes: Sequence[str],
    *,
    seed: int = 1,
    picture: np.ndarray | None = None,
    **changes: Any,
) -> Card:
    """Pack a U-Net of width 2 (segmentation) or a LeNet-5 (classification) for 32 x 32 RGB inputs.

    Untrained networks say one thing everywhere; the outputs of a segmentation are shifted so that each is positive on
    half of ``picture`` (height x width x 3, uint8; by default a crop).
    """
    unet = {"name": "unet", "parameters": {"width": 2}}
    values = {
        "name": folder.name,
        "task": task,
        "architecture": unet if task == "segmentation" else {"name": "lenet5", "parameters": {}},
        "input": {"height": 32, "width": 32, "channels": 3},
        "batch": 4,
        "output": {"kind": kind, "activation": "softmax" if kind == "multiclass" else "sigmoid", "classes": [*classes]},
        "weights": UNPACKED.model_dump(),
    }
    card = make_card(values | changes, "test")
    module = initialise(build(card, "test"), seed)
    if task == "segmentation":
        _centre(module, crop(0)[:32, :32] if picture is None else picture)
    packed, _ = pack(Location.parse(str(folder)), card, module.state_dict(), replace=True)
    return packed


def _centre(module: torch.nn.Module, picture: np.ndarray) -> None:
    pixels = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        outputs = module.eval()(pixels)[0]
        *_, bias = (parameter.data for name, parameter in module.named_parameters() if name.endswith("bias"))
        bias -= outputs.flatten(1).median(1).values


def crop(number: int) -> np.ndarray:
    """A piece of a real photograph; another size for each number."""
    photograph = np.array(Image.open(Path(skimage.data.__file__).parent / "astronaut.png"))
    top, left = 7 * number % 400, 13 * number % 400
    return photograph[top : top + 40 + number % 9, left : left + 50 + number % 7]


def make_images(folder: Path, count: int) -> list[str]:
    """Write crops in turn as PNG, JPEG, TIFF and BMP; returns their names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for number in range(count):
        names.append(f"scan-{number}.{FORMATS[number % len(FORMATS)]}")
        Image.fromarray(crop(number)).save(folder / names[-1])
    return names


def make_masks(folder: Path, count: int, classes: int = 0) -> list[str]:
    """Masks of the crops by their brightness: 0 and 255, or with ``classes`` the class index."""
    names = []
    for number in range(count):
        brightness = crop(number).mean(2)
        mask = (brightness > 128) * 255 if not classes else brightness * classes // 256
        names.append(f"mask-{number}.png")
        Image.fromarray(mask.astype(np.uint8)).save(folder / names[-1])
    return names


def write_dataset(folder: Path, entries: Sequence[dict[str, Any]], classes: Sequence[str] = ()) -> Path:
    """A dataset file with all entries in split ``test``; JSON is YAML."""
    values: dict[str, Any] = {"name": "crops", "images": list(entries), "split": {"test": list(range(len(entries)))}}
    if classes:
        values["classes"] = list(classes)
    path = folder / "crops.yml"
    path.write_text(json.dumps(values, indent=1))
    return path


def split(dataset: Path, run: Path | Location, shards: int) -> None:
    arguments = ["--dataset", str(dataset), "--split", "test", "--shards", str(shards), "--run", str(run)]
    assert split_yaml.main(arguments) == 0


def arguments_of(run: Path | Location, model: Path, shard: str = "000", *options: str) -> list[str]:
    return ["--run", str(run), "--shard", shard, "--model", str(model), "--threads-per-step", "1", *options]


def infer(run: Path | Location, model: Path, shard: str = "000", *options: str) -> None:
    """Infer one shard in this process."""
    assert infer_step.main(arguments_of(run, model, shard, "--device", "cpu", *options)) == 0


def split_and_infer(dataset: Path, run: Path, model: Path, *options: str, shards: int = 1) -> Path:
    """A run up to gathering, in this process."""
    split(dataset, run, shards)
    for shard in range(shards):
        infer(run, model, f"{shard:03d}", *options)
    return run


def start(run: Path, model: Path, shard: str = "000", *options: str, **environment: str) -> "subprocess.Popen[str]":
    """Infer one shard as a person does."""
    return subprocess.Popen(
        [sys.executable, "-m", "steps.infer", *arguments_of(run, model, shard, *options)],
        cwd=run.parent,
        env=os.environ | {"PYTHONPATH": str(PROJECT), "CUDA_VISIBLE_DEVICES": ""} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def records(run: Path) -> dict[str, Record]:
    """All ledger lines of a run, by case."""
    parts = sorted(run.glob("results/*/cases/*.jsonl"))
    return {record.case: record for part in parts for record in read_part(part.read_bytes(), part.name)}


def compared(run: Path) -> dict[str, bytes]:
    """Every file below results/ and outputs/ that may not differ between runs."""
    files = [path for folder in ("results", "outputs") for path in (run / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(run)): path.read_bytes() for path in files if path.name != "timing.json"}
