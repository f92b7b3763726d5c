"""From decoded pixels to what the model sees, as the card says: process, resize, scale, on the model's device.

Training and inference both come through here, so that a model never sees pixels prepared in another way.
"""

import threading

import numpy as np
import torch
from torch import Tensor

from imaging_core.decode.case import CaseError, Pixels
from imaging_core.decode.sampling import Sampling
from imaging_core.inference import resample
from imaging_core.models.card import Input
from imaging_core.models.processing import processing_chain
from imaging_core.transforms.resize import interpolate

LARGEST_SCRATCH = 32 * 1024 * 1024
"""Values that a thread keeps to convert images in: 128 MiB, enough for 10 megapixels in colour."""

_LARGEST = {torch.uint8: 255.0, torch.uint16: 65535.0}


class Preprocess:
    """The preprocessing of one model card; holds the per-channel constants on their device."""

    def __init__(self, card: Input, device: torch.device) -> None:
        self._card = card
        self._chain = processing_chain(card)
        self._scratch = _Scratch() if device.type == "cpu" and _looks_at_few_rows(card) else None
        self._mean = _per_channel(card.mean, len(card.size), device)
        self._std = _per_channel(card.std, len(card.size), device)

    def check(self, pixels: Pixels) -> None:
        """Raise CaseError when the card's processing does not take images of this type."""
        if self._chain is not None:
            reason = self._chain.refuses(torch.from_numpy(np.empty(0, pixels.dtype)).dtype, pixels.shape[-1])
            if reason:
                raise CaseError("unsupported", f"the model's processing does not take it: {reason}")

    def __call__(self, block: Tensor, sampling: Sampling | None = None) -> Tensor:
        """Prepare images of one shape. What becomes of one depends on no other.

        Args:
            block: n x (depth x) height x width x channels on the model's device; uint8, uint16 or float32.
            sampling: how patches are made of it; None when it holds them.

        Returns:
            n x channels x (card.depth x) card.height x card.width, float32.
        """
        card = self._card
        if self._chain is not None:
            block = self._chain(block.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        if card.depth is not None:
            images = block.to(torch.float32).permute(0, 4, 1, 2, 3)
            images = images if sampling is None else resample.interpolate(images, sampling)
        elif tuple(block.shape[1:3]) == (card.height, card.width):
            images = block.to(torch.float32).permute(0, 3, 1, 2)
        elif len(block) == 1:
            images = self._resized(block[0])
        else:  # one by one: how a batch is shared out may change the last bit
            images = torch.cat([self._resized(each) for each in block])
        if card.clip is not None:
            images = images.clamp(*card.clip)
        if card.clip is not None and card.scaling == "unit":
            images = (images - card.clip[0]) / (card.clip[1] - card.clip[0])
        elif card.scaling == "unit":
            images = images / _LARGEST.get(block.dtype, 1.0)
        elif card.scaling != "none":
            images = images / card.scaling
        if self._mean is not None:
            images = images - self._mean
        if self._std is not None:
            images = images / self._std
        return images if sampling is None else resample.surround(images, sampling)

    def _resized(self, pixels: Tensor) -> Tensor:
        """1 x channels x card.height x card.width, float32, with the values of the file."""
        card = self._card
        if self._scratch is not None and self._scratch.pays(pixels, card.height):
            image = self._scratch.to_float(pixels, card.height)
        else:
            image = pixels.to(torch.float32)
        size = (card.height, card.width)
        return interpolate(image.permute(2, 0, 1).unsqueeze(0), size, card.resize, antialias=card.antialias)


def _looks_at_few_rows(card: Input) -> bool:
    return card.resize in ("nearest", "bilinear") and not card.antialias


class _Scratch(threading.local):
    """Converts only those rows of a large image that shrinking it looks at; the others keep what they held.

    The result is what converting all rows gives, in a fifth of the time for ten megapixels: the memory is not
    allocated, and so not cleared by the kernel, for each image anew. One for each thread.
    """

    def __init__(self) -> None:
        self._values = torch.zeros(0)

    def pays(self, pixels: Tensor, rows: int) -> bool:
        """Whether the image (height x width x channels) is to lose most of its rows, and is not too large to keep."""
        return len(pixels) > 4 * rows and pixels.numel() <= LARGEST_SCRATCH

    def to_float(self, pixels: Tensor, rows: int) -> Tensor:
        """Float32 of the same shape; valid until the next call, in the rows that ``rows`` output rows look at."""
        if self._values.numel() < pixels.numel():
            self._values = torch.zeros(pixels.numel())
        image = self._values[: pixels.numel()].view(pixels.shape)
        used = _rows_used(len(pixels), rows)
        return image.index_copy_(0, used, pixels.index_select(0, used).to(torch.float32))


def _rows_used(height: int, rows: int) -> Tensor:
    """The rows beside each output row's centre, bilinear or nearest, and those that rounding may take for them."""
    scale = height / rows
    first = np.arange(rows) * scale
    near = np.concatenate([first, first + 0.5 * scale - 0.5])
    around = np.floor(np.concatenate([near - 0.01, near + 0.01]))
    return torch.from_numpy(np.unique(np.concatenate([around, around + 1]).clip(0, height - 1).astype(np.int64)))


def _per_channel(values: tuple[float, ...] | None, axes: int, device: torch.device) -> Tensor | None:
    if values is None:
        return None
    return torch.tensor(values, dtype=torch.float32, device=device).view(-1, *[1] * axes)
