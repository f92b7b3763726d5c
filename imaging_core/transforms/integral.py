"""Integral images: sums over any rectangle from four values."""

import torch
from torch import Tensor
from torch.nn import functional

from imaging_core.transforms.pixels import check


def integral_image(images: Tensor) -> Tensor:
    """The sum of all pixels above and left of each corner between pixels: OpenCV's ``integral``, exactly.

    Returns:
        N x C x (H + 1) x (W + 1), with zeros at the top and left; int64, of floating images float64 (within 1e-9).
        ECVL's ``IntegralImage`` is float64.
    """
    check(images)
    kind = torch.float64 if images.is_floating_point() else torch.int64
    sums = images.to(kind).cumsum(-1).cumsum(-2)
    return functional.pad(sums, (1, 0, 1, 0))
