"""Types of pixels: what they can hold, what is computed in, and the way back."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

import torch
from torch import Tensor

P = ParamSpec("P")
OnBatch = Callable[Concatenate[Tensor, P], Tensor]

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


def image_by_image(function: OnBatch[P]) -> OnBatch[P]:
    """On the CPU, run a function of a batch on one image after the other: what it works on stays in the cache.

    Only for functions whose other arguments are the same for all images.
    """

    @wraps(function)
    def each(images: Tensor, /, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        if images.device.type != "cpu" or images.ndim != 4 or len(images) < 2:
            return function(images, *args, **kwargs)
        return torch.cat([function(image, *args, **kwargs) for image in images.chunk(len(images))])

    return each


def plane_by_plane(function: OnBatch[P]) -> OnBatch[P]:
    """As ``image_by_image``, one channel after the other: for functions that take each channel on its own."""

    @wraps(function)
    def each(images: Tensor, /, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        if images.device.type != "cpu" or images.ndim != 4 or images.shape[:2].numel() < 2:
            return function(images, *args, **kwargs)
        planes = images.reshape(-1, 1, *images.shape[-2:])
        results = torch.cat([function(plane, *args, **kwargs) for plane in planes.chunk(len(planes))])
        return results.view(*images.shape[:2], *results.shape[2:])

    return each
