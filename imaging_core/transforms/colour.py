"""Colour spaces, by OpenCV's formulas (its ``cvtColor``), bit for bit where it computes in integers."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from imaging_core.transforms import opencv
from imaging_core.transforms.pixels import LARGEST, check, image_by_image, to_float, to_type, white

CHANNELS = {"gray": 1, "rgb": 3, "bgr": 3, "rgba": 4, "hsv": 3, "ycbcr": 3}

_GREY = (9798, 19235, 3735)  # 0.299, 0.587, 0.114 in 1/2^15
_LUMA = (4899, 9617, 1868)  # the same in 1/2^14
_CR, _CB = 11682, 9241  # 0.713 and 0.564 in 1/2^14
_RED, _GREEN_CR, _GREEN_CB, _BLUE = 22987, -11698, -5636, 29049  # 1.403, -0.714, -0.344 and 1.773 in 1/2^14


def convert(images: Tensor, source: str, target: str) -> Tensor:
    """Convert between ``gray``, ``rgb``, ``bgr``, ``rgba``, ``hsv`` and ``ycbcr``: ECVL's ``ChangeColorSpace``.

    Ranges are OpenCV's: hue is 0 to 180 in 8 bits and 0 to 360 in floats, other floats are 0 to 1, chroma lies about
    half of the range. ``hsv`` has no 16 bits. Channels of ``ycbcr`` are Y, Cb, Cr (OpenCV's ``YCrCb`` swaps the last
    two). Alpha is white when it is added, and dropped without blending. Equals OpenCV exactly in 8 and 16 bits, but for
    8-bit ``hsv`` to ``rgb`` (within one level), and within 1e-6 (hue: 1e-3 degrees) in floats. Differentiable in
    floats.

    Raises:
        ValueError: an unknown space, another number of channels than the source has, or 16-bit ``hsv``.
    """
    check(images)
    for space in (source, target):
        if space not in CHANNELS:
            raise ValueError(f"there is no colour space {space!r}; there are: {', '.join(CHANNELS)}")
    if images.shape[1] != CHANNELS[source]:
        raise ValueError(f"images have {images.shape[1]} channels; {source} has {CHANNELS[source]}")
    if "hsv" in (source, target) and images.dtype == torch.uint16:
        raise ValueError("hsv is defined for 8 bits and floats, the images have 16 bits")
    if source == target:
        return images
    rgb = images if source == "rgb" else _to_rgb(images, source)
    return rgb if target == "rgb" else _from_rgb(rgb, target)


def _to_rgb(images: Tensor, source: str) -> Tensor:
    if source == "hsv" and opencv.takes(images):
        return opencv.each_image(images, lambda each: _split(each, "HSV2RGB"), 3)
    if source == "ycbcr" and opencv.takes(images):
        return opencv.each_image(images[:, [0, 2, 1]], lambda each: _split(each, "YCrCb2RGB"), 3)
    return image_by_image(_TO_RGB[source])(images)


def _from_rgb(rgb: Tensor, target: str) -> Tensor:
    if target == "gray" and opencv.takes(rgb):
        return opencv.each_image(rgb, lambda each: _split(each, "RGB2GRAY"), 1)
    if target == "hsv" and opencv.takes(rgb):
        return opencv.each_image(rgb, lambda each: _split(each, "RGB2HSV"), 3)
    if target == "ycbcr" and opencv.takes(rgb):
        return opencv.each_image(rgb, _to_ycbcr_planes, 3)
    return image_by_image(_FROM_RGB[target])(rgb)


def _to_ycbcr_planes(image: opencv.Array) -> Sequence[opencv.Array]:
    luma, red, blue = _split(image, "RGB2YCrCb")
    return luma, blue, red


def _split(image: opencv.Array, code: str) -> Sequence[opencv.Array]:
    converted = opencv.cv2().cvtColor(image, getattr(opencv.cv2(), f"COLOR_{code}"))
    channels: Sequence[opencv.Array] = opencv.cv2().split(converted)
    return channels


def _to_grey(rgb: Tensor) -> Tensor:
    if rgb.dtype not in LARGEST:
        red, green, blue = rgb.chunk(3, dim=1)
        grey: Tensor = red * 0.299 + green * 0.587 + blue * 0.114
        return grey
    return _weighted(rgb.to(torch.int32).chunk(3, dim=1), _GREY, 15).to(rgb.dtype)


def _weighted(planes: tuple[Tensor, ...], weights: tuple[int, ...], shift: int, offset: int = 0) -> Tensor:
    """The sum in fixed point, rounded half up, plus an offset."""
    total = planes[0] * weights[0]
    for plane, weight in zip(planes[1:], weights[1:], strict=True):
        total.add_(plane, alpha=weight)
    return total.add_((offset << shift) + (1 << (shift - 1))).bitwise_right_shift_(shift)


def _swapped(images: Tensor) -> Tensor:
    return images.flip(1)


def _with_alpha(rgb: Tensor) -> Tensor:
    return torch.cat([rgb, torch.full_like(rgb[:, :1], white(rgb))], dim=1)


def _to_ycbcr(rgb: Tensor) -> Tensor:
    if rgb.dtype not in LARGEST:
        red, _, blue = rgb.chunk(3, dim=1)
        luma = _to_grey(rgb)
        return torch.cat([luma, (blue - luma) * 0.564 + 0.5, (red - luma) * 0.713 + 0.5], dim=1)
    wide = torch.int64 if rgb.dtype == torch.uint16 else torch.int32
    planes = rgb.to(wide).chunk(3, dim=1)
    luma = _weighted(planes, _LUMA, 14)
    half = 1 << (7 if rgb.dtype == torch.uint8 else 15)
    chroma = [_weighted((plane - luma,), (weight,), 14, half) for plane, weight in ((planes[2], _CB), (planes[0], _CR))]
    return to_type(torch.cat([luma, *chroma], dim=1), rgb.dtype)


def _from_ycbcr(images: Tensor) -> Tensor:
    if images.dtype not in LARGEST:
        luma, blue, red = images.chunk(3, dim=1)
        blue, red = blue - 0.5, red - 0.5
        return torch.cat([luma + red * 1.403, luma - red * 0.714 - blue * 0.344, luma + blue * 1.773], dim=1)
    wide = torch.int64 if images.dtype == torch.uint16 else torch.int32
    luma, blue, red = images.to(wide).chunk(3, dim=1)
    half = 1 << (7 if images.dtype == torch.uint8 else 15)
    blue, red = blue - half, red - half
    parts = [
        _weighted((red,), (_RED,), 14),
        _weighted((blue, red), (_GREEN_CB, _GREEN_CR), 14),
        _weighted((blue,), (_BLUE,), 14),
    ]
    return to_type(luma + torch.cat(parts, dim=1), images.dtype)


def _to_hsv(rgb: Tensor) -> Tensor:
    return _to_hsv_bytes(rgb) if rgb.dtype == torch.uint8 else _to_hsv_floats(rgb)


def _to_hsv_bytes(rgb: Tensor) -> Tensor:
    """With OpenCV's 1 / n in 1/2^12, rounded half to even; float32 gives the same integers for every n."""
    value = rgb.amax(dim=1, keepdim=True)
    spread = value - rgb.amin(dim=1, keepdim=True)
    saturation = _scaled(spread, 255 * 4096, value)
    red, green, blue = rgb.to(torch.int16).chunk(3, dim=1)
    sector = torch.where(
        value == red,
        green - blue,
        torch.where(value == green, (blue - red).add_(spread, alpha=2), (red - green).add_(spread, alpha=4)),
    )
    hue = _scaled(sector, 180 * 4096 / 6, spread)
    hue = torch.where(hue < 0, hue + 180, hue)
    return torch.cat([hue.to(torch.uint8), saturation.to(torch.uint8), value], dim=1)


def _scaled(numbers: Tensor, scale: float, divisor: Tensor) -> Tensor:
    """``numbers * round(scale / divisor) / 2^12``, rounded half up, int32; 0 / 0 is 0."""
    factor = torch.full_like(divisor, scale, dtype=torch.float32).div_(divisor.clamp(min=1)).round_()
    return factor.to(torch.int32).mul_(numbers).add_(2048).bitwise_right_shift_(12)


def _to_hsv_floats(rgb: Tensor) -> Tensor:
    red, green, blue = rgb.chunk(3, dim=1)
    value = rgb.amax(dim=1, keepdim=True)
    spread = value - rgb.amin(dim=1, keepdim=True)
    tiny = torch.finfo(torch.float32).eps
    degrees = 60 / (spread + tiny)
    hue = torch.where(
        value == red,
        (green - blue) * degrees,
        torch.where(value == green, (blue - red) * degrees + 120, (red - green) * degrees + 240),
    )
    return torch.cat([torch.where(hue < 0, hue + 360, hue), spread / (value.abs() + tiny), value], dim=1)


def _from_hsv(images: Tensor) -> Tensor:
    hue, saturation, value = to_float(images).chunk(3, dim=1)
    if images.dtype == torch.uint8:
        sector, saturation, value = hue / 30, saturation / 255, value / 255
    else:
        sector = hue / 60
    channels = []
    for offset in (5.0, 3.0, 1.0):  # red, green, blue: how far each is from its brightest sector
        place = (sector + offset).remainder(6)
        channels.append(value - value * saturation * torch.minimum(place, 4 - place).clamp(0, 1))
    rgb = torch.cat(channels, dim=1)
    return to_type(rgb * 255, images.dtype) if images.dtype == torch.uint8 else rgb


_TO_RGB: dict[str, Callable[[Tensor], Tensor]] = {
    "gray": lambda images: images.repeat(1, 3, 1, 1),
    "bgr": _swapped,
    "rgba": lambda images: images[:, :3],
    "hsv": _from_hsv,
    "ycbcr": _from_ycbcr,
}
_FROM_RGB: dict[str, Callable[[Tensor], Tensor]] = {
    "gray": _to_grey,
    "bgr": _swapped,
    "rgba": _with_alpha,
    "hsv": _to_hsv,
    "ycbcr": _to_ycbcr,
}
