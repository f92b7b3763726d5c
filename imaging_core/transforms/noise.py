"""Noise and dropped rectangles. Random numbers come from a generator of the images' device.

Parameters that may differ between images are numbers, or tensors of N.
"""

import torch
from torch import Tensor

from imaging_core.transforms.pixels import check, to_float, to_type, white

Amount = float | Tensor
"""One number for all images, or a tensor of N."""


def laplace_noise(images: Tensor, scale: Amount, *, generator: torch.Generator | None = None) -> Tensor:
    """Add Laplace noise to every value: ECVL's ``AdditiveLaplaceNoise``.

    ``scale`` is the distribution's parameter (``std_dev`` in ECVL, though the standard deviation is its square root of
    2 fold), in the images' own values.
    """
    check(images)
    values = to_float(images)
    first, second = (torch.empty_like(values).exponential_(generator=generator) for _ in range(2))
    return to_type(values + (first - second) * _each(scale, values), images.dtype)


def gaussian_noise(images: Tensor, std: Amount, *, generator: torch.Generator | None = None) -> Tensor:
    """Add Gaussian noise of mean 0 to every value; ``std`` in the images' own values."""
    check(images)
    values = to_float(images)
    return to_type(values + torch.empty_like(values).normal_(generator=generator) * _each(std, values), images.dtype)


def poisson_noise(images: Tensor, rate: Amount, *, generator: torch.Generator | None = None) -> Tensor:
    """Add a Poisson-distributed number to every value: ECVL's ``AdditivePoissonNoise``; brighter by ``rate``."""
    check(images)
    values = to_float(images)
    added = torch.poisson(_each(rate, values).expand(values.shape).contiguous(), generator=generator)
    return to_type(values + added, images.dtype)


def salt(
    images: Tensor, share: Amount, *, per_channel: bool | Tensor = False, generator: torch.Generator | None = None
) -> Tensor:
    """Make a share of the pixels white: ECVL's ``Salt``. White is 255, 65535, or 1 in floats (in ECVL always 255).

    Args:
        images: a batch.
        share: the probability of each pixel, 0 to 1.
        per_channel: whether every channel of a pixel is drawn on its own; or N booleans.
        generator: of the images' device.
    """
    return _salted(images, share, 1.0, per_channel, generator)


def pepper(
    images: Tensor, share: Amount, *, per_channel: bool | Tensor = False, generator: torch.Generator | None = None
) -> Tensor:
    """Make a share of the pixels black: ECVL's ``Pepper``; see ``salt``."""
    return _salted(images, share, 0.0, per_channel, generator)


def salt_and_pepper(
    images: Tensor, share: Amount, *, per_channel: bool | Tensor = False, generator: torch.Generator | None = None
) -> Tensor:
    """Make a share of the pixels black or white, with equal chances: ECVL's ``SaltAndPepper``; see ``salt``."""
    return _salted(images, share, 0.5, per_channel, generator)


def coarse_dropout(
    images: Tensor,
    share: Amount,
    size: Amount,
    *,
    per_channel: bool | Tensor = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Blacken rectangles of a grid: ECVL's ``CoarseDropout``.

    Args:
        images: a batch.
        share: the probability of each rectangle; of each channel's, if per channel, ``share / channels``.
        size: of rectangles as a part of the image's sides, rounded down to pixels, at least one.
        per_channel: whether every channel is drawn on its own; or N booleans.
        generator: of the images' device.
    """
    check(images)
    count, channels, height, width = images.shape
    lengths = torch.as_tensor(size, dtype=torch.float64, device=images.device).view(-1, 1)
    rows, columns = (
        torch.arange(side, device=images.device) // (lengths * side).long().clamp(min=1) for side in (height, width)
    )
    drawn = _drawn(images, per_channel, generator)
    drawn = drawn.gather(-2, rows[:, None, :, None].expand(count, channels, -1, width))
    drawn = drawn.gather(-1, columns[:, None, None, :].expand(count, channels, height, -1))
    own = torch.as_tensor(per_channel, device=images.device).view(-1, 1, 1, 1)
    limit = torch.where(own, _each(share, drawn) / channels, _each(share, drawn))
    return torch.where(drawn < limit, images.new_zeros(()), images)


def _salted(
    images: Tensor, share: Amount, bright: float, per_channel: bool | Tensor, generator: torch.Generator | None
) -> Tensor:
    """``bright``: the part of the changed pixels that becomes white."""
    check(images)
    drawn = _drawn(images, per_channel, generator)
    limit = _each(share, drawn)
    changed = torch.where(drawn < limit * bright, images.new_full((), white(images)), images.new_zeros(()))
    return torch.where(drawn < limit, changed, images)


def _drawn(images: Tensor, per_channel: bool | Tensor, generator: torch.Generator | None) -> Tensor:
    """Uniform in [0, 1), of the images' shape; equal in all channels where they are not drawn on their own."""
    drawn = torch.rand(images.shape, device=images.device, generator=generator)
    own = torch.as_tensor(per_channel, device=images.device).view(-1, 1, 1, 1)
    return torch.where(own, drawn, drawn[:, :1])


def _each(amount: Amount, values: Tensor) -> Tensor:
    return torch.as_tensor(amount, dtype=values.dtype, device=values.device).view(-1, 1, 1, 1)
