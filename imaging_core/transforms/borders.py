"""What lies outside an image: OpenCV's border types, under ECVL's names."""

import torch
from torch import Tensor

BORDERS = ("constant", "replicate", "reflect", "reflect101", "wrap")


def check_border(border: str) -> None:
    """Raise ValueError unless there is such a border."""
    if border not in BORDERS:
        raise ValueError(f"there is no border {border!r}; there are: {', '.join(BORDERS)}")


def border_index(index: Tensor, length: int, border: str) -> Tensor:
    """Which pixel of ``length`` stands for each place of an integer tensor; OpenCV's ``borderInterpolate``.

    ``replicate``: aaa|abcd|ddd; ``reflect``: cba|abcd|dcb; ``reflect101``: dcb|abcd|cba; ``wrap``: bcd|abcd|abc; as
    often as needed. ``constant`` has no such pixel: the nearest one, which the caller replaces.
    """
    check_border(border)
    if border in ("constant", "replicate") or length == 1:
        return index.clamp(0, length - 1)
    if border == "wrap":
        return index.remainder(length)
    period = 2 * length if border == "reflect" else 2 * length - 2
    folded = index.remainder(period)
    return torch.minimum(folded, period - 1 - folded if border == "reflect" else period - folded)


def extended(images: Tensor, sides: tuple[int, int, int, int], border: str, value: float = 0) -> Tensor:
    """Images with a border of (top, bottom, left, right) around them, N x C x H x W, any type."""
    top, bottom, left, right = sides
    height, width = images.shape[-2:]
    if border == "constant":
        padded = images.new_full((*images.shape[:-2], top + height + bottom, left + width + right), value)
        padded[..., top : top + height, left : left + width] = images
        return padded
    padded = images.new_empty((*images.shape[:-2], top + height + bottom, left + width + right))
    middle = padded[..., top : top + height, :]
    middle[..., left : left + width] = images
    for place, outside in ((0, range(-left, 0)), (left + width, range(width, width + right))):
        index = border_index(torch.tensor(outside, dtype=torch.int64, device=images.device), width, border)
        middle[..., place : place + len(outside)] = images.index_select(-1, index)
    for place, outside in ((0, range(-top, 0)), (top + height, range(height, height + bottom))):
        index = border_index(torch.tensor(outside, dtype=torch.int64, device=images.device), height, border)
        padded[..., place : place + len(outside), :] = middle.index_select(-2, index)
    return padded
