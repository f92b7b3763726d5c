"""Rotation about a point, with the image's size or with all of its pixels."""

import math

import numpy as np
import torch
from torch import Tensor

from imaging_core.transforms import opencv
from imaging_core.transforms.resize import METHODS
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
    return _rotated(images, (height, width), angle, scale, middle, middle, method)


def rotate_full(images: Tensor, angle: float, *, scale: float = 1.0, method: str = "linear") -> Tensor:
    """Rotate about the middle into a frame that holds all of the image: ECVL's ``RotateFullImage2D``.

    The frame's sides are ``|sin|`` and ``|cos|`` of the old ones, times scale, rounded half away from zero; the old
    middle (width / 2, height / 2) comes to the new one, rounded down.
    """
    height, width = images.shape[-2:]
    cosine, sine = (abs(f(math.radians(angle))) * scale for f in (math.cos, math.sin))
    new = (math.floor(height * cosine + width * sine + 0.5), math.floor(height * sine + width * cosine + 0.5))
    return _rotated(images, new, angle, scale, (width / 2, height / 2), (new[1] // 2, new[0] // 2), method)


def _rotated(
    images: Tensor,
    size: tuple[int, int],
    angle: Angles,
    scale: float,
    source: tuple[float, float],
    target: tuple[float, float],
    method: str,
) -> Tensor:
    fixed = not (isinstance(angle, Tensor) and angle.requires_grad)
    if method not in METHODS or max(size) > opencv.LONGEST or not (fixed and opencv.takes(images)):
        across, down = _places(size, angle, scale, source, target, images.device)
        return remap(images, across, down, method)
    if isinstance(angle, Tensor):
        each = zip(images.chunk(len(images)), angle.expand(len(images)).tolist(), strict=True)
        return torch.cat([_rotated(image, size, own, scale, source, target, method) for image, own in each])
    cosine, sine = (f(math.radians(angle)) / scale for f in (math.cos, math.sin))
    places = np.array(
        [
            [cosine, sine, source[0] - cosine * target[0] - sine * target[1]],
            [-sine, cosine, source[1] + sine * target[0] - cosine * target[1]],
        ]
    )
    flags = opencv.cv2().WARP_INVERSE_MAP | opencv.interpolation("linear" if method == "area" else method)
    return opencv.each_channel(
        images, lambda old, new: opencv.cv2().warpAffine(old, places, size[::-1], new, flags), size
    )


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
