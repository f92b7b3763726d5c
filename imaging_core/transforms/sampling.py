"""Reading images at fractional places: the core of rotations and distortions."""

import itertools

import torch
from torch import Tensor
from torch.nn import functional

from imaging_core.transforms import opencv
from imaging_core.transforms.borders import border_index, check_border
from imaging_core.transforms.pixels import check, to_float, to_type
from imaging_core.transforms.resize import METHODS, lanczos4

_GRID_BORDERS = {"constant": "zeros", "replicate": "border", "reflect": "reflection", "reflect101": "reflection"}
_GRID_METHODS = {"linear": "bilinear", "cubic": "bicubic"}


def remap(
    images: Tensor, across: Tensor, down: Tensor, method: str = "linear", border: str = "constant", value: float = 0
) -> Tensor:
    """The images' values at given places: OpenCV's ``remap``.

    Args:
        images: a batch, N x C x H x W.
        across: the column to look at for each pixel of the result, h x w for all images or N x h x w for each; pixel
            centres lie at whole numbers.
        down: the row, likewise.
        method: ``nearest``, ``linear``, ``cubic`` (a = -0.75) or ``lanczos4``; ``area`` is ``linear``, as in OpenCV.
        border: what lies outside, see ``border_index``.
        value: of a constant border.

    Returns:
        N x C x h x w. ``nearest`` equals OpenCV exactly except where a place lies within 1e-3 of the middle between two
        pixels. ``linear`` equals it within one level of 8 bits and 1e-4 of the range; for ``cubic`` and ``lanczos4``
        OpenCV rounds places to 1/32 of a pixel, and this does not: they differ by up to 1/64 of the local contrast.
        Differentiable in images and places, but for ``nearest``.
    """
    check(images)
    check_border(border)
    if method in METHODS and border in opencv.BORDERS and opencv.takes_places(images, across, down):
        return _by_opencv(images, across, down, method, border, value)
    if method == "nearest":
        return _at(images, across.round().long(), down.round().long(), border, value)
    kind = "linear" if method == "area" else method
    values = to_float(images)
    if kind in _GRID_METHODS and border in _GRID_BORDERS:
        return to_type(_by_grid(values, across, down, kind, border, value), images.dtype)
    if kind not in (*_GRID_METHODS, "lanczos4"):
        raise ValueError(f"remap has no method {method!r}; there are: nearest, linear, area, cubic, lanczos4")
    return to_type(_by_taps(values, across, down, kind, border, value), images.dtype)


def _by_opencv(images: Tensor, across: Tensor, down: Tensor, method: str, border: str, value: float) -> Tensor:
    flag, outside = opencv.interpolation("linear" if method == "area" else method), opencv.border(border)
    count, channels = images.shape[:2]
    places = [each.to(torch.float32).expand(count, *each.shape[-2:]).contiguous().numpy() for each in (across, down)]
    made = torch.empty((count, channels, *across.shape[-2:]), dtype=images.dtype)
    source, target = images.contiguous().numpy(), made.numpy()

    def into(image: int, channel: int) -> None:
        columns, rows = (each[image] for each in places)
        opencv.cv2().remap(source[image, channel], columns, rows, flag, target[image, channel], outside, value)

    opencv.side_by_side(into, itertools.product(range(count), range(channels)))
    return made


def _by_grid(values: Tensor, across: Tensor, down: Tensor, method: str, border: str, value: float) -> Tensor:
    """PyTorch's ``grid_sample``, whose places run from -1 to 1."""
    height, width = values.shape[-2:]
    corners = border == "reflect101" and min(height, width) > 1
    x, y = (
        place * (2 / (side - 1)) - 1 if corners else (place * 2 + 1) / side - 1
        for place, side in ((across, width), (down, height))
    )
    grid = torch.stack([x, y], dim=-1).to(values.dtype)
    grid = grid.expand(len(values), *grid.shape[-3:])
    mode, padding = _GRID_METHODS[method], _GRID_BORDERS[border]
    if border == "constant" and value:
        values = values - value
    sampled = functional.grid_sample(values, grid, mode=mode, padding_mode=padding, align_corners=corners)
    return sampled + value if border == "constant" and value else sampled


def _by_taps(values: Tensor, across: Tensor, down: Tensor, method: str, border: str, value: float) -> Tensor:
    """One neighbour after the other: for what ``grid_sample`` lacks."""
    left, top = across.floor(), down.floor()
    weights_x, weights_y = (_tap_weights(place, method) for place in (across - left, down - top))
    before = len(weights_x) // 2 - 1
    total: Tensor | None = None
    for j, weight_y in enumerate(weights_y):
        for i, weight_x in enumerate(weights_x):
            pixels = _at(values, left.long() + i - before, top.long() + j - before, border, value)
            part = pixels * (weight_x * weight_y).to(values.dtype).unsqueeze(-3)
            total = part if total is None else total + part
    assert total is not None  # noqa: S101  there is a tap at least
    return total


def _tap_weights(fraction: Tensor, method: str) -> list[Tensor]:
    if method == "linear":
        return [1 - fraction, fraction]
    if method == "lanczos4":
        return list(lanczos4(fraction).unbind(-1))
    near, far = fraction, 1 - fraction  # Keys' kernel with a = -0.75
    return [_keys_outer(near + 1), _keys_inner(near), _keys_inner(far), _keys_outer(far + 1)]


def _keys_inner(distance: Tensor) -> Tensor:
    return (1.25 * distance - 2.25) * distance**2 + 1


def _keys_outer(distance: Tensor) -> Tensor:
    return ((-0.75 * distance + 3.75) * distance - 6) * distance + 3


def _at(images: Tensor, across: Tensor, down: Tensor, border: str, value: float) -> Tensor:
    """The pixels at whole places, N x C x h x w."""
    count, channels, height, width = images.shape
    index = border_index(down, height, border) * width + border_index(across, width, border)
    flat = images.reshape(count, channels, height * width)
    if index.ndim == 2:
        pixels = flat.index_select(-1, index.reshape(-1)).view(count, channels, *index.shape)
    else:
        places = index.reshape(count, 1, -1).expand(-1, channels, -1)
        pixels = flat.gather(-1, places).view(count, channels, *index.shape[-2:])
    if border != "constant":
        return pixels
    inside = (across >= 0) & (across < width) & (down >= 0) & (down < height)
    return torch.where(inside.unsqueeze(-3), pixels, pixels.new_full((), value))
