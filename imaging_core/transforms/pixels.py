"""Types of pixels: what they can hold, what is computed in, and the way back."""

import torch
from torch import Tensor

LARGEST = {torch.uint8: 255.0, torch.uint16: 65535.0}
"""White of an integer image; white of a floating image is 1."""


def check(images: Tensor) -> None:
    """Raise ValueError unless this is a batch of images."""
    if images.ndim != 4:
        raise ValueError(f"images have {images.ndim} dimensions; they must be N x channels x height x width")
    if images.dtype not in LARGEST and not images.is_floating_point():
        raise ValueError(f"images are {images.dtype}; they must be uint8, uint16 or floating")


def white(images: Tensor) -> float:
    """The largest value of an integer type; 1 for floating images."""
    return LARGEST.get(images.dtype, 1.0)


def to_float(images: Tensor) -> Tensor:
    """Float32 of integer images; floating images as they are."""
    return images if images.is_floating_point() else images.to(torch.float32)


def to_signed(images: Tensor) -> Tensor:
    """Int32 of uint16, for which PyTorch has neither order nor sums; other types as they are."""
    return images.to(torch.int32) if images.dtype == torch.uint16 else images


def to_type(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Values as pixels of a type: integers are rounded, half to even, and cut off at the ends of the type's range."""
    if dtype not in LARGEST:
        return values.to(dtype)
    if values.is_floating_point():
        values = values.round()
    return values.clamp(0, LARGEST[dtype]).to(dtype)
