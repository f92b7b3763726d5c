"""Histogram equalisation, of whole images and of tiles with limited contrast."""

import torch
from torch import Tensor

from imaging_core.transforms import opencv
from imaging_core.transforms.borders import extended
from imaging_core.transforms.histogram import histogram
from imaging_core.transforms.pixels import LARGEST, check, plane_by_plane, to_type


def equalise(images: Tensor) -> Tensor:
    """Spread the values of each channel of uint8 images evenly: OpenCV's ``equalizeHist``, exactly."""
    check(images)
    if images.dtype != torch.uint8:
        raise ValueError(f"images are {images.dtype}; OpenCV's equalisation is of uint8 (clahe takes 16 bits)")
    if opencv.takes(images):
        return opencv.each_channel(images, lambda old, new: opencv.cv2().equalizeHist(old, new))
    return _equalise(images)


@plane_by_plane
def _equalise(images: Tensor) -> Tensor:
    counts = histogram(images)
    below = counts.cumsum(-1, dtype=torch.int32)
    total = images.shape[-2] * images.shape[-1]
    darkest = counts.gather(-1, (counts > 0).to(torch.uint8).argmax(-1, keepdim=True))
    spread = (total - darkest).to(torch.float32)
    scale = spread.new_full((), 255) / spread  # a number / tensor would be rounded twice
    table = to_type((below - darkest).clamp(min=0).float() * scale, torch.uint8)
    table = torch.where(spread > 0, table, torch.arange(256, dtype=torch.uint8, device=images.device))
    return table.gather(-1, images.flatten(-2).to(torch.int64)).view(images.shape)


def clahe(images: Tensor, clip: float = 40.0, tiles: tuple[int, int] = (8, 8)) -> Tensor:
    """Contrast-limited adaptive equalisation (Zuiderveld, 1994): OpenCV's ``CLAHE``, exactly.

    Each channel on its own.

    Args:
        images: a batch of uint8 or uint16.
        clip: how many times the mean a value may count; 0 for no limit.
        tiles: how many across and down, OpenCV's order; images whose sides they do not divide are reflected.
    """
    check(images)
    if images.dtype not in LARGEST:
        raise ValueError(f"images are {images.dtype}; clahe takes uint8 or uint16")
    if opencv.takes(images):
        return opencv.each_channel(images, lambda old, new: opencv.cv2().createCLAHE(clip, tiles).apply(old, new))
    return _clahe(images, clip, tiles)


@plane_by_plane
def _clahe(images: Tensor, clip: float, tiles: tuple[int, int]) -> Tensor:
    count, channels, height, width = images.shape
    across, down = tiles
    whole = images
    if height % down or width % across:
        whole = extended(images, (0, down - height % down, 0, across - width % across), "reflect101")
    size = (whole.shape[-2] // down, whole.shape[-1] // across)
    parts = whole.view(count, channels, down, size[0], across, size[1]).transpose(3, 4)
    tables = _tables(histogram(parts), clip, size[0] * size[1]).flatten(2)  # N x C x (down * across * values)
    top, below, share_down = _neighbours(height, size[0], down, images.device)
    left, right, share_across = _neighbours(width, size[1], across, images.device)
    values = int(LARGEST[images.dtype]) + 1
    pixels = images.to(torch.int64)

    def at(row: Tensor, column: Tensor) -> Tensor:
        index = (row[:, None] * across + column) * values + pixels
        return tables.gather(-1, index.flatten(2)).view(images.shape)

    upper = at(top, left) * (1 - share_across) + at(top, right) * share_across
    lower = at(below, left) * (1 - share_across) + at(below, right) * share_across
    return to_type(upper * (1 - share_down[:, None]) + lower * share_down[:, None], images.dtype)


def _tables(counts: Tensor, clip: float, area: int) -> Tensor:
    """What each value becomes in each tile: ... x values, float32 of whole numbers."""
    values = counts.shape[-1]
    if clip > 0:
        limit = max(int(clip * area / values), 1)
        excess = (counts - limit).clamp(min=0).sum(-1, keepdim=True, dtype=torch.int32)
        rest = excess % values
        step = (values // rest.clamp(min=1)).clamp(min=1)
        place = torch.arange(values, device=counts.device)
        extra = (place % step == 0) & (place // step < rest)
        counts = counts.clamp(max=limit) + excess // values + extra
    scale = torch.tensor((values - 1) / area, dtype=torch.float32, device=counts.device)
    return (counts.cumsum(-1, dtype=torch.int32).float() * scale).round().clamp(max=values - 1)


def _neighbours(length: int, size: int, tiles: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """For each pixel the tiles whose middles lie before and behind it, and the share of the latter."""
    inverse = torch.tensor(1 / size, dtype=torch.float32, device=device)
    place = torch.arange(length, dtype=torch.float32, device=device) * inverse - 0.5
    first = place.floor()
    whole = first.to(torch.int64)
    return whole.clamp(min=0), (whole + 1).clamp(max=tiles - 1), place - first
