"""What the peers share: the model, reading a file, and writing results as a plain script does, with Pillow."""

import io
import json
import os
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import torch
from minio import Minio
from PIL import Image
from torch.nn import functional

from imaging_core.models.bundle import load_model
from imaging_core.models.card import Card
from imaging_core.store import Location


def images_of(folder: str) -> list[str]:
    """The files that ``dataset.yml`` lists; the file itself is read from disk or from S3."""
    listed: list[str] = json.loads(read(f"{folder}/images/dataset.yml"))["images"]
    return [f"{folder}/images/{name}" for name in listed]


@cache
def _client(process: int) -> Minio:  # noqa: ARG001 - after a fork two would share its connections
    url = urlsplit(os.environ["AWS_ENDPOINT_URL_S3"])
    return Minio(
        url.netloc, os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], secure=url.scheme == "https"
    )


def read(path: str) -> bytes:
    """A file of the disk, or an object."""
    if not path.startswith("s3://"):
        return Path(path).read_bytes()
    bucket, key = path.removeprefix("s3://").split("/", 1)
    response = _client(os.getpid()).get_object(bucket, key)
    try:
        return response.read()
    finally:
        response.close()
        response.release_conn()


def write(path: str, data: bytes) -> None:
    """A file of the disk, or an object."""
    if not path.startswith("s3://"):
        Path(path).write_bytes(data)
        return
    bucket, key = path.removeprefix("s3://").split("/", 1)
    _client(os.getpid()).put_object(bucket, key, io.BytesIO(data), len(data))


class Model:
    """Network, and what becomes of its outputs."""

    def __init__(self, folder: str, out: str) -> None:
        self.card: Card
        self.card, _, self.network = load_model(Location.parse(f"{folder}/model"), torch.device("cpu"))
        self.out = out

    def prepare(self, path: str) -> tuple[torch.Tensor, tuple[int, int]]:
        """Read and decode one image, and resize it; with its height and width."""
        image = Image.open(io.BytesIO(read(path))).convert("RGB" if self.card.input.channels == 3 else "L")
        pixels = np.array(image)
        pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
        tensor = torch.from_numpy(pixels).permute(2, 0, 1).float().div(255)
        size = (self.card.input.height, self.card.input.width)
        return functional.interpolate(tensor[None], size, mode="bilinear")[0], pixels.shape[:2]

    @torch.inference_mode()
    def infer(self, paths: list[str], images: torch.Tensor, sizes: Any) -> list[list[float]]:
        """Run a batch, and write the masks at the images' size; for classification return the scores."""
        returned = self.network(images)
        if self.card.task == "classification":
            scores: list[list[float]] = torch.softmax(returned, 1).tolist()
            return scores
        for path, map_, size in zip(paths, torch.sigmoid(returned), sizes, strict=True):
            full = functional.interpolate(map_[None], tuple(int(side) for side in size), mode="bilinear")[0, 0]
            file = io.BytesIO()
            Image.fromarray((full >= self.card.output.threshold).numpy().astype(np.uint8) * 255).save(file, "PNG")
            write(f"{self.out}/{path.rpartition('/')[2]}.png", file.getvalue())
        return []


def write_scores(out: str, rows: list[tuple[str, list[float]]]) -> None:
    """A table of all scores."""
    text = "".join(f"{path},{','.join(map(str, scores))}\n" for path, scores in rows)
    write(f"{out}/scores.csv", text.encode())
