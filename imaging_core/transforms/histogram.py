"""Counts of pixel values, for thresholds and equalisation."""

import torch
from torch import Tensor

from imaging_core.transforms.pixels import LARGEST


def histogram(images: Tensor) -> Tensor:
    """How often each value occurs in each channel of each image.

    Args:
        images: ... x height x width of uint8 or uint16.

    Returns:
        ... x 256 or ... x 65536, int32.

    Raises:
        ValueError: the images are not of integers.
    """
    if images.dtype not in LARGEST:
        raise ValueError(f"images are {images.dtype}; values of uint8 or uint16 can be counted")
    values = int(LARGEST[images.dtype]) + 1
    planes = images.reshape(-1, images.shape[-2] * images.shape[-1])
    if images.device.type == "cpu":
        counts = torch.stack([torch.bincount(plane.to(torch.int32), minlength=values) for plane in planes])
        return counts.to(torch.int32).view(*images.shape[:-2], values)
    counts = torch.zeros(len(planes), values, dtype=torch.int32, device=images.device)
    one = counts.new_ones(1, 1).expand(planes.shape)
    return counts.scatter_add_(1, planes.to(torch.int64), one).view(*images.shape[:-2], values)
