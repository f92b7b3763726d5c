"""Local maxima and the greatest values of an image."""

import torch
from torch import Tensor

from imaging_core.transforms.morphology import dilate
from imaging_core.transforms.pixels import check, to_signed


def suppress_non_maxima(images: Tensor) -> Tensor:
    """Keep what none of its eight neighbours exceeds, else 0: ECVL's ``NonMaximaSuppression``, exactly.

    The outermost pixels are 0. A plateau is kept whole.
    """
    check(images)
    greatest = dilate(images, torch.ones(3, 3))
    kept = torch.where(images == greatest, images, images.new_zeros(()))
    result = torch.zeros_like(images)
    result[..., 1:-1, 1:-1] = kept[..., 1:-1, 1:-1]
    return result


def top(images: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` greatest values of each channel and where they are: ECVL's ``GetMaxN``, in a fixed order.

    Returns:
        Values, N x C x count, greatest first, of equal ones the first in reading order; and their (row, column),
        N x C x count x 2, int64.

    Raises:
        ValueError: there are not so many pixels.
    """
    check(images)
    height, width = images.shape[-2:]
    if not 1 <= count <= height * width:
        raise ValueError(f"the {count} greatest of {height * width} pixels do not exist")
    flat = to_signed(images).flatten(-2)
    values, index = torch.sort(flat, dim=-1, descending=True, stable=True)
    index = index[..., :count]
    places = torch.stack([index // width, index % width], dim=-1)
    return values[..., :count].to(images.dtype), places
