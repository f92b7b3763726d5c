"""OpenCV on the CPU: its loops over bytes are several times as fast as PyTorch's, and it is what operators are held to.

An operator asks :func:`takes` and then the function of its name here; tensors on other devices, of other types or with
a gradient are the operator's own. Channels are worked on one by one, side by side by as many threads as PyTorch may
use. OpenCV is imported when it is first needed.
"""

import functools
import importlib.util
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]
Into = Callable[[Array, Array], object]
"""Computes one channel from another, height x width."""

BORDERS = {"constant": "CONSTANT", "replicate": "REPLICATE", "reflect": "REFLECT", "reflect101": "REFLECT_101"}
"""OpenCV's names of the borders that all of its functions know."""

_TYPES = (torch.uint8, torch.uint16, torch.float32)
LONGEST = 32767
"""OpenCV counts the pixels of a side of what it resamples in 16 bits."""

_here = importlib.util.find_spec("cv2") is not None


@contextmanager
def without_opencv() -> Iterator[None]:
    """In here operators compute by themselves, as on other devices; for the whole process."""
    global _here
    before, _here = _here, False
    try:
        yield
    finally:
        _here = before


def takes(images: Tensor, *types: torch.dtype) -> bool:
    """Whether OpenCV may compute with images, N x C x H x W; with certain types only, if they are given."""
    return (
        _here
        and images.device.type == "cpu"
        and images.dtype in (types or _TYPES)
        and images.ndim == 4
        and images.numel() > 0
        and max(images.shape[-2:]) <= LONGEST
        and not images.requires_grad
    )


def takes_places(images: Tensor, *places: Tensor) -> bool:
    """Whether OpenCV may look at places of images, tensors of the result's height x width."""
    return takes(images) and not any(each.requires_grad or max(each.shape[-2:]) > LONGEST for each in places)


@functools.cache
def cv2() -> ModuleType:
    """OpenCV, without threads of its own: a step has as many as it is told."""
    module = importlib.import_module("cv2")
    module.setNumThreads(1)
    return module


def border(name: str) -> Any:
    """OpenCV's number of a border of :data:`BORDERS`."""
    return getattr(cv2(), f"BORDER_{BORDERS[name]}")


def interpolation(method: str) -> Any:
    """OpenCV's number of a method of ``resize``."""
    return getattr(cv2(), f"INTER_{method.upper()}")


def each_channel(
    images: Tensor, into: Into, size: tuple[int, int] | None = None, dtype: torch.dtype | None = None
) -> Tensor:
    """What ``into`` makes of every channel, N x C x ``size`` of a type; size and type are the images' if not given."""
    made = torch.empty((*images.shape[:2], *(size or images.shape[-2:])), dtype=dtype or images.dtype)
    side_by_side(into, zip(_channels(images), _channels(made), strict=True))
    return made


def each_value(images: Tensor, into: Into) -> Tensor:
    """What ``into`` makes of the values, each on its own: as few calls as there are threads."""
    made = torch.empty(images.shape, dtype=images.dtype)
    threads, width = torch.get_num_threads(), images.shape[-1]
    old, new = (each.view(-1, width).tensor_split(threads) for each in (images.contiguous(), made))
    side_by_side(into, [(a.numpy(), b.numpy()) for a, b in zip(old, new, strict=True) if len(a)])
    return made


def each_image(images: Tensor, function: Callable[[Array], Iterable[Array]], channels: int) -> Tensor:
    """Images of the channels that ``function`` makes of each one, height x width x channels as OpenCV has it."""
    made = torch.empty((len(images), channels, *images.shape[-2:]), dtype=images.dtype)

    def into(image: Array, result: Array) -> None:
        for plane, values in zip(result, function(cv2().merge(list(image))), strict=True):
            plane[...] = values

    side_by_side(into, zip(images.contiguous().numpy(), made.numpy(), strict=True))
    return made


def of_channels(images: Tensor, function: Callable[[Array], Any]) -> list[Any]:
    """What ``function`` says of every channel, in their order."""
    planes = _channels(images)
    said: list[Any] = [None] * len(planes)

    def into(plane: Array, place: int) -> None:
        said[place] = function(plane)

    side_by_side(into, zip(planes, range(len(planes)), strict=True))
    return said


def side_by_side(function: Callable[..., object], arguments: Iterable[tuple[Any, ...]]) -> None:
    """Call a function that waits for nobody with many arguments, by PyTorch's number of threads.

    Raises:
        MemoryError: OpenCV found no room.
    """
    calls = list(arguments)
    threads = min(torch.get_num_threads(), len(calls))

    def work(part: int) -> None:
        try:
            for each in calls[part::threads]:
                function(*each)
        except cv2().error as error:
            raise (MemoryError if error.code == cv2().Error.StsNoMem else RuntimeError)(str(error)) from error

    if threads < 2:
        work(0)
    else:
        list(_pool(threads).map(work, range(threads)))


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "opencv")


os.register_at_fork(after_in_child=_pool.cache_clear)  # a child has none of its parent's threads


def _channels(images: Tensor) -> Array:
    """(N * C) x height x width, in the same memory if the images are contiguous."""
    values: Array = images.contiguous().view(-1, *images.shape[-2:]).numpy()
    return values
