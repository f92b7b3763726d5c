"""Thresholds: given ones, and those that Otsu's criterion finds."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from imaging_core.transforms import opencv
from imaging_core.transforms.histogram import histogram
from imaging_core.transforms.pixels import check, image_by_image, to_signed, white


def threshold(images: Tensor, limit: float | Tensor, largest: float | None = None, *, inverse: bool = False) -> Tensor:
    """``largest`` where a pixel is above the limit, else 0; ``inverse`` swaps them: OpenCV's ``threshold``, exactly.

    Args:
        images: a batch.
        limit: one number, or a tensor that broadcasts to the images, as N x C x 1 x 1 of Otsu's thresholds.
        largest: a value of the images' type; its white if None.
        inverse: ECVL's ``BINARY_INV`` instead of ``BINARY``.
    """
    check(images)
    if images.dtype == torch.uint8 and not isinstance(limit, Tensor) and 0 <= limit < 255:
        return _of_bytes(images, math.floor(limit), 255 if largest is None else int(largest), inverse)
    above = _above(images, limit)
    if inverse:
        above = ~above
    top = white(images) if largest is None else largest
    return torch.where(above, images.new_full((), top), images.new_zeros(()))


def _of_bytes(images: Tensor, limit: int, largest: int, inverse: bool) -> Tensor:
    """Without booleans, whose making takes ten times as long as arithmetic on bytes."""
    above = images.clamp(limit, limit + 1).sub_(limit + 1 if inverse else limit)
    return (above.neg_() if inverse else above).mul_(largest)


def _above(images: Tensor, limit: float | Tensor) -> Tensor:
    """Which pixels exceed a limit, that may be no value of their type; True or False."""
    if images.is_floating_point() or isinstance(limit, Tensor):
        return to_signed(images) > limit
    whole = math.floor(limit)
    if 0 <= whole <= white(images):
        return to_signed(images) > whole
    return torch.full(images.shape, whole < 0, device=images.device)


def multi_threshold(
    images: Tensor, limits: Sequence[float], smallest: float = 0, largest: float | None = None
) -> Tensor:
    """Each pixel becomes the grey of the interval it lies in: ECVL's ``MultiThreshold``, exactly.

    Interval i of K + 1 holds the values above i of the K ascending limits; its grey is
    ``i * (largest - smallest) / K + smallest``, cut to an integer in integer images. NumPy's ``digitize(right=True)``.

    Raises:
        ValueError: no limits, or they do not ascend.
    """
    check(images)
    if not limits or list(limits) != sorted(limits):
        raise ValueError("the limits of a multi-threshold must be one or more numbers in ascending order")
    top = white(images) if largest is None else largest
    greys = torch.tensor([place * (top - smallest) / len(limits) + smallest for place in range(len(limits) + 1)])
    interval = torch.zeros(images.shape, dtype=torch.int32, device=images.device)
    for limit in limits:
        interval += _above(images, limit)
    return greys.to(images.device, images.dtype)[interval]


def otsu(images: Tensor) -> Tensor:
    """The threshold that separates dark from bright best (Otsu, 1979): OpenCV's ``THRESH_OTSU``, exactly.

    Args:
        images: a batch of uint8 or uint16; of every channel on its own.

    Returns:
        N x C x 1 x 1, int32: pixels above it are bright. Of several that are as good, the smallest; 0 for an image of
        one value.
    """
    check(images)
    if opencv.takes(images, torch.uint8, torch.uint16):
        kind = opencv.cv2().THRESH_OTSU
        found = opencv.of_channels(images, lambda plane: opencv.cv2().threshold(plane, 0, 1, kind)[0])
        return torch.tensor(found, dtype=torch.int32).view(*images.shape[:2], 1, 1)
    return _otsu(images)


@image_by_image
def _otsu(images: Tensor) -> Tensor:
    counts = histogram(images).to(torch.int64)
    below = counts.cumsum(-1)
    weighted = (counts * torch.arange(counts.shape[-1], device=images.device)).cumsum(-1)
    all_of, sum_of = below[..., -1:], weighted[..., -1:]
    apart = (sum_of.double() * below - weighted.double() * all_of) ** 2
    between = apart / (below.double() * (all_of - below)).clamp(min=1)  # 0 where a class is empty
    return between.argmax(-1, keepdim=True).unsqueeze(-1).to(torch.int32)


def multi_otsu(images: Tensor, count: int) -> Tensor:
    """The ``count`` thresholds that separate grey levels best: scikit-image's ``threshold_multiotsu``.

    Equal to it, except where its float32 takes one set of thresholds for as good as a better one. Liao, Chen and Chung
    (2001), with dynamic programming instead of all combinations: ``count`` may be large.

    Args:
        images: a batch of uint8; of every channel on its own.
        count: of thresholds, 1 to 254.

    Returns:
        N x C x count, int32, ascending: a pixel belongs to the class above each threshold that it exceeds.
    """
    check(images)
    if images.dtype != torch.uint8 or not 1 <= count < 255:
        raise ValueError(f"multi-Otsu finds 1 to 254 thresholds of uint8 images; asked: {count} of {images.dtype}")
    counts = histogram(images).double()
    weighted = counts * torch.arange(256, device=images.device)
    zero = counts.new_zeros(*counts.shape[:-1], 1)
    weight, moment = (torch.cat([zero, each.cumsum(-1)], -1) for each in (counts, weighted))
    mass, sums = (each.unsqueeze(-2) - each.unsqueeze(-1) for each in (weight, moment))  # of values [row, column)
    gain = torch.where(mass > 0, sums**2 / mass, 0.0)  # what a class adds to the variance between classes
    rows = torch.arange(257, device=images.device)
    gain = gain.masked_fill(rows[:, None] >= rows, -torch.inf)
    best, choices = gain[..., 0, :], []  # best[v]: of values [0, v) in the classes so far
    for _ in range(count):
        best, choice = (best.unsqueeze(-1) + gain).max(dim=-2)
        choices.append(choice)
    end = torch.full_like(choices[0][..., :1], 256)
    thresholds = []
    for choice in reversed(choices):
        end = choice.gather(-1, end)
        thresholds.append(end - 1)
    return torch.cat(thresholds[::-1], dim=-1).to(torch.int32)
