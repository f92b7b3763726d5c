"""Rotation about a point, with the image's size or with all of its pixels."""

import math

import torch
from torch import Tensor

from imaging_core.transforms.sampling import remap

Angles = float | Tensor
"""Degrees, clockwise: one for all images, or a tensor of N."""


def rotate(
    images: Tensor,
    angle: Angles,
    *,
    centre: tuple[float, float] | None = None,
    scale: float = 1.0,
    method: str = "linear",
) -> Tensor:
    """Rotate and scale within the image's frame, black outside: ECVL's ``Rotate2D``.

    Equals OpenCV's ``warpAffine`` with ``getRotationMatrix2D(centre, -angle, scale)`` as exactly as ``remap`` says.

    Args:
        images: a batch.
        angle: degrees, clockwise.
        centre: (x, y) of the fixed point, pixel centres at whole numbers; (width / 2, height / 2) if None, as in ECVL,
            which is half a pixel beside the middle.
        scale: of the content.
        method: as in ``remap``.
    """
    height, width = images.shape[-2:]
    middle = (width / 2, height / 2) if centre is None else centre
    across, down = _places((height, width), angle, scale, middle, middle, images.device)
    return remap(images, across, down, method)


def rotate_full(images: Tensor, angle: float, *, scale: float = 1.0, method: str = "linear") -> Tensor:
    """Rotate about the middle into a frame that holds all of the image: ECVL's ``RotateFullImage2D``.

    The frame's sides are ``|sin|`` and ``|cos|`` of the old ones, times scale, rounded half away from zero; the old
    middle (width / 2, height / 2) comes to the new one, rounded down.
    """
    height, width = images.shape[-2:]
    cosine, sine = (abs(f(math.radians(angle))) * scale for f in (math.cos, math.sin))
    new = (math.floor(height * cosine + width * sine + 0.5), math.floor(height * sine + width * cosine + 0.5))
    across, down = _places(new, angle, scale, (width / 2, height / 2), (new[1] // 2, new[0] // 2), images.device)
    return remap(images, across, down, method)


def _places(
    size: tuple[int, int],
    angle: Angles,
    scale: float,
    source: tuple[float, float],
    target: tuple[float, float],
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Where each pixel of the result comes from, in float64: (… x) h x w of columns and of rows."""
    radians = torch.deg2rad(torch.as_tensor(angle, dtype=torch.float64, device=device))[..., None, None]
    cosine, sine = radians.cos() / scale, radians.sin() / scale
    x = torch.arange(size[1], dtype=torch.float64, device=device) - target[0]
    y = torch.arange(size[0], dtype=torch.float64, device=device)[:, None] - target[1]
    return source[0] + cosine * x + sine * y, source[1] - sine * x + cosine * y
