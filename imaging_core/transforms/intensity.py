"""Brightness and contrast: gamma, linear maps, normalisation, mean and standard deviation."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from imaging_core.transforms import opencv
from imaging_core.transforms.pixels import check, image_by_image, to_float, to_type, white

PerChannel = float | Sequence[float]
"""One number, or one for each channel."""


def gamma(images: Tensor, exponent: float | Tensor) -> Tensor:
    """``white * (value / white) ** exponent``: ECVL's ``GammaContrast``, scikit-image's ``adjust_gamma``.

    Integers are rounded (scikit-image cuts them: one level less at most). White is 255, 65535 or, in floats, 1.
    ``exponent`` may be a tensor, N x 1 x 1 x 1. Differentiable, where pixels are above 0.
    """
    check(images)
    if images.dtype == torch.uint8 and isinstance(exponent, (int, float)):
        table = gamma(torch.arange(256, dtype=torch.float32, device=images.device).view(1, 1, 1, -1) / 255, exponent)
        return _looked_up(images, to_type(table.flatten() * 255, torch.uint8))
    largest = white(images)
    return to_type((to_float(images) / largest) ** exponent * largest, images.dtype)


def brightness(images: Tensor, added: float | Tensor) -> Tensor:
    """Every value plus a number, kept to the type's range: ECVL's ``AugBrightness``; OpenCV's ``add``, exactly."""
    check(images)
    return to_type(to_float(images) + added, images.dtype)


@image_by_image
def normalise(images: Tensor, mean: PerChannel, std: PerChannel) -> Tensor:
    """``(value - mean) / std`` in float32 (in floats: their own type), unlike ECVL's ``Normalize``, which keeps bytes.

    Args:
        images: a batch.
        mean: what to subtract, in the images' own values.
        std: what to divide by.

    Raises:
        ValueError: as many numbers as there are channels are wanted, or a std is 0.
    """
    check(images)
    if torch.any(torch.as_tensor(std) == 0):
        raise ValueError("images cannot be divided by a standard deviation of 0")
    values = to_float(images)
    return (values - _per_channel(mean, values)) / _per_channel(std, values)


def mean_std(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (of the population) of each channel of each image: OpenCV's ``meanStdDev``.

    Returns:
        Two N x C tensors of float64.
    """
    check(images)
    if opencv.takes(images):
        found = opencv.of_channels(images, opencv.cv2().meanStdDev)
        mean, std = torch.from_numpy(np.array(found)).view(*images.shape[:2], 2).unbind(-1)
        return mean, std
    if images.is_floating_point():
        std, mean = torch.std_mean(images.to(torch.float64), dim=(-2, -1), correction=0)
        return mean, std
    count = images.shape[-2] * images.shape[-1]
    sums, squares = _sums(images).unbind(-1)  # integers: exact
    return sums.double() / count, (squares * count - sums**2).double().sqrt() / count


@image_by_image
def _sums(images: Tensor) -> Tensor:
    """Of values and of their squares: N x C x 2, int64."""
    values = images.to(torch.int32 if images.dtype == torch.uint8 else torch.int64)
    return torch.stack([values.sum((-2, -1)), (values * values).sum((-2, -1))], dim=-1)


def scale_to(images: Tensor, smallest: float, largest: float) -> Tensor:
    """Stretch each image linearly from its own least and greatest value to new ones: ECVL's ``ScaleTo``.

    OpenCV's ``normalize(…, NORM_MINMAX)`` within one level, or 1e-6 of the range. All channels of an image share their
    extremes. An image of one value becomes ``largest``.
    """
    check(images)
    values = to_float(images)
    low, high = values.amin((1, 2, 3), keepdim=True), values.amax((1, 2, 3), keepdim=True)
    share = torch.where(high > low, (values - low) / (high - low).clamp(min=torch.finfo(values.dtype).tiny), 1.0)
    return to_type(share * (largest - smallest) + smallest, images.dtype)


def scale_from_to(images: Tensor, old: tuple[float, float], new: tuple[float, float]) -> Tensor:
    """Map the range ``old`` to ``new`` linearly, values outside first cut off: ECVL's ``ScaleFromTo``.

    scikit-image's ``rescale_intensity`` in floats within 1e-6 of the range; integers are rounded.

    Raises:
        ValueError: the old range is empty.
    """
    check(images)
    if not old[0] < old[1]:
        raise ValueError(f"the range to map from, {old[0]} to {old[1]}, is empty")
    share = (to_float(images).clamp(*old) - old[0]) / (old[1] - old[0])
    return to_type(share * (new[1] - new[0]) + new[0], images.dtype)


def to_float32(images: Tensor, divisor: float = 1) -> Tensor:
    """Float32, divided: ECVL's ``AugToFloat32``, with 255 its ``AugDivBy255``."""
    check(images)
    return images.to(torch.float32) / divisor


def _looked_up(images: Tensor, table: Tensor) -> Tensor:
    if opencv.takes(images):
        return opencv.each_value(images, lambda old, new: opencv.cv2().LUT(old, table.numpy(), new))
    return table.index_select(0, images.flatten().to(torch.int32)).view(images.shape)


def _per_channel(numbers: PerChannel, images: Tensor) -> Tensor:
    values = torch.as_tensor(numbers, dtype=images.dtype).reshape(-1, 1, 1)
    if len(values) not in (1, images.shape[1]):
        raise ValueError(f"{len(values)} numbers are given for {images.shape[1]} channels")
    return values.to(images.device)
