"""Morphology with any flat structuring element. Exact in every type."""

from collections.abc import Callable
from itertools import accumulate, groupby

import torch
from torch import Tensor

from imaging_core.transforms import opencv
from imaging_core.transforms.borders import extended
from imaging_core.transforms.pixels import LARGEST, check, to_signed

Step = Callable[[Tensor, Tensor, int], Tensor]


def dilate(images: Tensor, element: Tensor, iterations: int = 1) -> Tensor:
    """The largest value under the element around each pixel: OpenCV's ``dilate``.

    Args:
        images: a batch.
        element: height x width, not 0 where it counts; its anchor is at (height // 2, width // 2).
        iterations: how often.

    What lies outside the image never counts, OpenCV's default (ECVL's is black). Like OpenCV's, the element is not
    reflected. A full rectangle takes time with the logarithm of its sides; any other with the number of its rows.
    """
    return _extreme(images, element, iterations, torch.maximum)


def erode(images: Tensor, element: Tensor, iterations: int = 1) -> Tensor:
    """The smallest value under the element around each pixel: OpenCV's ``erode``; see ``dilate``."""
    return _extreme(images, element, iterations, torch.minimum)


def opening(images: Tensor, element: Tensor, iterations: int = 1) -> Tensor:
    """Erode, then dilate: bright specks go."""
    return dilate(erode(images, element, iterations), element, iterations)


def closing(images: Tensor, element: Tensor, iterations: int = 1) -> Tensor:
    """Dilate, then erode: dark specks go."""
    return erode(dilate(images, element, iterations), element, iterations)


def gradient(images: Tensor, element: Tensor, iterations: int = 1) -> Tensor:
    """Dilated minus eroded."""
    return _difference(dilate(images, element, iterations), erode(images, element, iterations))


def top_hat(images: Tensor, element: Tensor, iterations: int = 1) -> Tensor:
    """The image minus its opening: bright specks stay."""
    return _difference(images, opening(images, element, iterations))


def black_hat(images: Tensor, element: Tensor, iterations: int = 1) -> Tensor:
    """The closing minus the image: dark specks stay."""
    return _difference(closing(images, element, iterations), images)


def hit_or_miss(images: Tensor, element: Tensor, iterations: int = 1) -> Tensor:
    """White where an element's 1 lie on white and its -1 on black (0: either): OpenCV's ``MORPH_HITMISS``.

    Raises:
        ValueError: the images are not uint8 (black 0, white 255).
    """
    if images.dtype != torch.uint8:
        raise ValueError(f"hit-or-miss wants uint8 images of black and white, these are {images.dtype}")
    found = torch.full_like(images, 255)
    for source, part in ((images, element == 1), (~images, element == -1)):
        if bool(part.any()):
            found &= erode(source, part, iterations)
    return found


OPERATIONS: dict[str, Step] = {
    "erode": erode,
    "dilate": dilate,
    "open": opening,
    "close": closing,
    "gradient": gradient,
    "top_hat": top_hat,
    "black_hat": black_hat,
    "hit_or_miss": hit_or_miss,
}
"""ECVL's ``MorphType`` by name."""


def disc(size: int) -> Tensor:
    """``size x size``, OpenCV's ``getStructuringElement(MORPH_ELLIPSE)`` for an odd size."""
    radius = size // 2
    reach = torch.tensor([round((radius**2 - (row - radius) ** 2) ** 0.5) for row in range(size)])
    return ((torch.arange(size) - radius).abs() <= reach[:, None]).to(torch.uint8)


def _extreme(images: Tensor, element: Tensor, iterations: int, choose: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    check(images)
    taken = element.cpu() != 0
    if taken.ndim != 2 or not bool(taken.any()):
        raise ValueError("a structuring element is height x width and not empty")
    if opencv.takes(images):
        chosen = opencv.cv2().dilate if choose is torch.maximum else opencv.cv2().erode
        under = taken.to(torch.uint8).numpy()
        return opencv.each_channel(images, lambda old, new: chosen(old, under, new, iterations=iterations))
    rows, columns = taken.shape
    sides = (rows // 2, (rows - 1) // 2, columns // 2, (columns - 1) // 2)
    values = to_signed(images)
    nothing = -torch.inf if choose is torch.maximum else torch.inf
    if images.dtype in LARGEST:
        nothing = 0 if choose is torch.maximum else LARGEST[images.dtype]
    for _ in range(iterations):
        around = extended(values, sides, "constant", nothing)
        if bool(taken.all()):
            values = _running(_running(around, columns, -1, choose), rows, -2, choose)
        else:
            values = _by_runs(around, taken, choose)
    return values.to(images.dtype)


def _by_runs(around: Tensor, taken: Tensor, choose: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The element row by row, each as its runs of pixels: runs of one length are shared by all rows."""
    rows, columns = taken.shape
    height, width = around.shape[-2] - rows + 1, around.shape[-1] - columns + 1
    runs: dict[int, Tensor] = {}
    total: Tensor | None = None
    for top, row in enumerate(taken.tolist()):
        for left, length in _runs(row):
            if length not in runs:
                runs[length] = _running(around, length, -1, choose)
            part = runs[length][..., top : top + height, left : left + width]
            total = part if total is None else choose(total, part)
    assert total is not None  # noqa: S101  the element is not empty
    return total


def _runs(row: list[bool]) -> list[tuple[int, int]]:
    """Where runs of True begin and how long they are."""
    groups = [(value, len(list(group))) for value, group in groupby(row)]
    starts = accumulate((length for _, length in groups), initial=0)
    return [(start, length) for start, (value, length) in zip(starts, groups, strict=False) if value]


def _running(values: Tensor, length: int, axis: int, choose: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The extreme of every ``length`` values in a row, in steps that double."""
    span = 1
    while span < length:
        step = min(span, length - span)
        size = values.shape[axis] - step
        values = choose(values.narrow(axis, 0, size), values.narrow(axis, step, size))
        span += step
    return values


def _difference(larger: Tensor, smaller: Tensor) -> Tensor:
    """Integers not below 0: an element that is not symmetric can turn the order round."""
    if larger.is_floating_point():
        return larger - smaller
    less = to_signed(smaller)
    return (torch.maximum(to_signed(larger), less) - less).to(larger.dtype)
