"""Resizing with OpenCV's five interpolations, under ECVL's names."""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from imaging_core.transforms import opencv
from imaging_core.transforms.pixels import check, to_float, to_type

Matrix = NDArray[np.float64]

METHODS = ("nearest", "linear", "area", "cubic", "lanczos4")


def resize(images: Tensor, size: tuple[int, int], method: str = "linear") -> Tensor:
    """Resize to ``size`` (height, width): OpenCV's ``resize``, ECVL's ``ResizeDim``.

    Pixel centres lie at half-integers and pixels outside repeat the edge. ``nearest`` takes ``floor(i * scale)`` and
    equals OpenCV exactly; the others within one level of 8 and 16 bits and within 1e-5 of the range for floating
    images. ``cubic`` has a = -0.75; ``area`` averages what a pixel covers if both sides shrink, else it is linear
    between the edges of pixels, as in OpenCV; ``lanczos4`` looks at 8 x 8 pixels. All but ``nearest`` are
    differentiable.

    Raises:
        ValueError: no image, an empty size, or no such method.
    """
    check(images)
    if method not in METHODS:
        raise ValueError(f"resize has no method {method!r}; there are: {', '.join(METHODS)}")
    if min(size) < 1:
        raise ValueError(f"the size to resize to is {size[0]} x {size[1]}; both sides must be at least 1")
    if tuple(images.shape[-2:]) == size:
        return images
    if opencv.takes(images) and max(size) <= opencv.LONGEST:
        flag = opencv.interpolation(method)
        return opencv.each_channel(images, lambda old, new: opencv.cv2().resize(old, size[::-1], new, 0, 0, flag), size)
    if method == "nearest":
        for axis, length in zip((-2, -1), size, strict=True):
            index = torch.from_numpy(_nearest(images.shape[axis], length)).to(images.device)
            images = images.index_select(axis, index)
        return images
    if method == "linear" and _has_bytes(images, size):
        return functional.interpolate(images, size, mode="bilinear", align_corners=False)
    values = to_float(images)
    if method in ("linear", "cubic"):
        return to_type(interpolate(values, size, "bilinear" if method == "linear" else "bicubic"), images.dtype)
    shrinks = size[0] <= images.shape[-2] and size[1] <= images.shape[-1]
    kind = "area" if method == "area" and shrinks else "edges" if method == "area" else "lanczos4"
    down, across = (_weights(kind, old, new) for old, new in zip(images.shape[-2:], size, strict=True))
    return to_type(_along(_along(values, across, -1), down, -2), images.dtype)


def scale(images: Tensor, factors: tuple[float, float], method: str = "linear") -> Tensor:
    """Resize by factors for (height, width), sides rounded half away from zero: ECVL's ``ResizeScale``."""
    height, width = (math.floor(side * factor + 0.5) for side, factor in zip(images.shape[-2:], factors, strict=True))
    return resize(images, (height, width), method)


def interpolate(batch: Tensor, size: tuple[int, int], method: str, *, antialias: bool = False) -> Tensor:
    """Resize a float batch, N x C x H x W, to ``size`` (height, width), by PyTorch's names: what inference uses.

    Pixel centres lie at half-integers (OpenCV's and PyTorch's ``align_corners=False``); ``nearest`` takes
    ``floor(i * scale)``, as OpenCV does, and ``nearest-exact`` the pixel whose centre is nearest. An image that has the
    size already comes back unchanged.
    """
    if tuple(batch.shape[-2:]) == size:
        return batch
    if method in ("bilinear", "bicubic"):
        return functional.interpolate(batch, size, mode=method, align_corners=False, antialias=antialias)
    return functional.interpolate(batch, size, mode=method)


def _has_bytes(images: Tensor, size: tuple[int, int]) -> bool:
    """Whether PyTorch resizes bytes as they are, which is faster; for a single pixel it fails."""
    return images.dtype == torch.uint8 and images.device.type == "cpu" and min(*size, *images.shape[-2:]) > 1


def _nearest(old: int, new: int) -> NDArray[np.int64]:
    index: NDArray[np.int64] = np.floor(np.arange(new) * (1 / (new / old))).clip(max=old - 1).astype(np.int64)
    return index


def _along(values: Tensor, weights: Matrix, axis: int) -> Tensor:
    matrix = torch.from_numpy(weights).to(values.device, values.dtype)
    return torch.matmul(values, matrix.T) if axis == -1 else torch.matmul(matrix, values)


@lru_cache(maxsize=64)
def _weights(kind: str, old: int, new: int) -> Matrix:
    """New x old: the share of each old pixel in each new one; rows sum to 1."""
    return _KINDS[kind](old, new)


def _area(old: int, new: int) -> Matrix:
    """What part of each new pixel each old one covers."""
    edges = np.arange(new + 1) * (old / new)
    first = np.arange(old)
    covered = np.minimum(edges[1:, None], first + 1) - np.maximum(edges[:-1, None], first)
    weights: Matrix = covered.clip(0) * (new / old)
    return weights


def _edges(old: int, new: int) -> Matrix:
    """OpenCV's ``INTER_AREA`` for enlarging: an old pixel keeps its value until a new one holds its right edge."""
    place = np.arange(new)
    left = np.floor(place * (1 / (new / old))).astype(np.int64)
    share = ((place + 1) - (left + 1) * (new / old)).astype(np.float32)  # rounded as OpenCV's: 1 - 1e-16 is 1
    share = np.where((share <= 0) | (left >= old - 1), 0, share - np.floor(share))
    left = left.clip(0, old - 1)
    weights = np.zeros((new, old))
    weights[place, left] = 1 - share
    weights[place, (left + 1).clip(0, old - 1)] += share
    return weights


def _lanczos4(old: int, new: int) -> Matrix:
    """Windowed sinc over eight pixels (Lanczos, a = 4), weights scaled to sum to 1."""
    centre = (np.arange(new) + 0.5) * (old / new) - 0.5
    left = np.floor(centre).astype(np.int64)
    taps = lanczos4(torch.from_numpy(centre - left)).numpy()
    weights = np.zeros((new, old))
    for tap in range(8):
        np.add.at(weights, (np.arange(new), (left - 3 + tap).clip(0, old - 1)), taps[:, tap])
    return weights


def lanczos4(fraction: Tensor) -> Tensor:
    """``... x 8``: the weights of the pixels from 3 before to 4 after, at a fraction of [0, 1) behind a pixel."""
    distance = fraction.unsqueeze(-1) - torch.arange(-3, 5, device=fraction.device)
    weights = torch.sinc(distance) * torch.sinc(distance / 4)
    return weights / weights.sum(dim=-1, keepdim=True)


_KINDS: dict[str, Callable[[int, int], Matrix]] = {"area": _area, "edges": _edges, "lanczos4": _lanczos4}
