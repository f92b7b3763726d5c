"""Moments of images: raw, central, normalised, and Hu's seven invariants."""

import torch
from torch import Tensor

from imaging_core.transforms.pixels import check, image_by_image


@image_by_image
def moments(images: Tensor, order: int = 3) -> Tensor:
    """``sum of x^p y^q value``: OpenCV's ``moments``, ECVL's ``Moments``, within 1e-9 of each value.

    Returns:
        N x C x (order + 1) x (order + 1), float64, by p (of the column x) and q (of the row y).
    """
    check(images)
    height, width = images.shape[-2:]
    across, down = (torch.arange(side, dtype=torch.float64, device=images.device) for side in (width, height))
    return _sums(images.to(torch.float64), across, down, order)


@image_by_image
def central_moments(images: Tensor, order: int = 3) -> Tensor:
    """Moments about each channel's own centre of mass: OpenCV's ``mu``; NaN for black channels. As ``moments``."""
    raw = moments(images, 1)
    height, width = images.shape[-2:]
    across = torch.arange(width, dtype=torch.float64, device=images.device) - raw[..., 1, :1] / raw[..., 0, :1]
    down = torch.arange(height, dtype=torch.float64, device=images.device) - raw[..., 0, 1:2] / raw[..., 0, :1]
    return _sums(images.to(torch.float64), across, down, order)


def normalised_moments(images: Tensor, order: int = 3) -> Tensor:
    """Central moments that do not change with size: ``mu_pq / m_00 ^ (1 + (p + q) / 2)``, OpenCV's ``nu``."""
    central = central_moments(images, order)
    degree = torch.arange(order + 1, dtype=torch.float64, device=images.device)
    return central / central[..., :1, :1] ** (1 + (degree[:, None] + degree) / 2)


def hu_moments(images: Tensor) -> Tensor:
    """Seven numbers that stay when an image is moved, scaled or rotated (Hu, 1962): OpenCV's ``HuMoments``.

    Returns:
        N x C x 7, float64; mirroring changes the sign of the last.
    """
    nu = normalised_moments(images)
    n20, n11, n02 = nu[..., 2, 0], nu[..., 1, 1], nu[..., 0, 2]
    n30, n21, n12, n03 = nu[..., 3, 0], nu[..., 2, 1], nu[..., 1, 2], nu[..., 0, 3]
    a, b = n30 + n12, n21 + n03
    c, d = n30 - 3 * n12, 3 * n21 - n03
    e, f = a**2 - 3 * b**2, 3 * a**2 - b**2
    invariants = [
        n20 + n02,
        (n20 - n02) ** 2 + 4 * n11**2,
        c**2 + d**2,
        a**2 + b**2,
        c * a * e + d * b * f,
        (n20 - n02) * (a**2 - b**2) + 4 * n11 * a * b,
        d * a * e - c * b * f,
    ]
    return torch.stack(invariants, dim=-1)


def _sums(values: Tensor, across: Tensor, down: Tensor, order: int) -> Tensor:
    powers = torch.arange(order + 1, device=values.device)[:, None]
    over_rows = torch.matmul(values, (across.unsqueeze(-2) ** powers).transpose(-2, -1))
    return torch.matmul(down.unsqueeze(-2) ** powers, over_rows).transpose(-2, -1)
