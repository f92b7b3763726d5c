"""Distortions: where every pixel comes from, and the images sampled there.

Parameters that may differ between images are numbers, or tensors of N.
"""

import torch
from torch import Tensor

from imaging_core.transforms.filters import gaussian_blur
from imaging_core.transforms.noise import Amount
from imaging_core.transforms.pixels import check

Places = tuple[Tensor, Tensor]
"""Columns and rows to look at, each (N x) height x width of float32: what ``remap`` takes."""


def grid_places(size: tuple[int, int], across: Tensor, down: Tensor) -> Places:
    """Stretch or shrink the cells of a grid: ECVL's ``GridDistortion``.

    Along each axis cells are ``side // steps`` long; a cell of length L reads evenly from where the one before ended
    to ``factor * L`` further. What does not fill a cell reads up to the image's end. (ECVL rounds the ends of cells
    down and leaves what does not fill a cell at 0.)

    Args:
        size: height and width.
        across: N x steps factors of cells from left to right; 1 changes nothing.
        down: the same from top to bottom.
    """
    columns, rows = (_cells(side, factors) for side, factors in ((size[1], across), (size[0], down)))
    shape = (len(columns), *size)
    return columns[:, None, :].expand(shape), rows[:, :, None].expand(shape)


def _cells(side: int, factors: Tensor) -> Tensor:
    steps = factors.shape[-1]
    if not 1 <= steps <= side:
        raise ValueError(f"{steps} cells do not fit into {side} pixels")
    length = side // steps
    ends = (factors * length).cumsum(-1)
    starts = torch.cat([torch.zeros_like(ends[:, :1]), ends], dim=-1)
    ends = torch.cat([ends, torch.full_like(ends[:, :1], side)], dim=-1)
    place = torch.arange(side, device=factors.device)
    cell = (place // length).clamp(max=steps)
    inside = place - cell * length
    long = torch.where(cell < steps, length, side - steps * length)
    share = inside / (long - 1).clamp(min=1)
    return starts[:, cell] + (ends[:, cell] - starts[:, cell]) * share


def elastic_places(images: Tensor, alpha: Amount, sigma: float, *, generator: torch.Generator | None = None) -> Places:
    """Shift every pixel by smooth noise (Simard, 2003): ECVL's ``ElasticTransform``.

    Uniform noise from -1 to 1, blurred by a Gaussian of 17 x 17 pixels, times alpha.

    Args:
        images: whose size and device are taken.
        alpha: the strength.
        sigma: of the Gaussian, in pixels.
        generator: of the images' device.
    """
    check(images)
    count, _, height, width = images.shape
    noise = torch.rand(count, 2, height, width, device=images.device, generator=generator) * 2 - 1
    strength = torch.as_tensor(alpha, dtype=torch.float32, device=images.device).view(-1, 1, 1, 1)
    shift = gaussian_blur(noise, sigma, 17, "replicate") * strength
    across = torch.arange(width, device=images.device) + shift[:, 0]
    return across, torch.arange(height, device=images.device)[:, None] + shift[:, 1]


def optical_places(images: Tensor, distortion: Amount, across: Amount = 0.0, down: Amount = 0.0) -> Places:
    """A lens: OpenCV's ``initUndistortRectifyMap`` as ECVL's ``OpticalDistortion`` calls it.

    With x and y from the middle in parts of the width and height, ``1 + k r^2 + k r^4`` times as far out.

    Args:
        images: whose size and device are taken.
        distortion: k; above 0 the picture shrinks towards the middle.
        across: by how many columns the lens lies beside the middle, rounded to whole ones.
        down: by how many rows.
    """
    check(images)
    height, width = images.shape[-2:]
    k, dx, dy = (
        torch.as_tensor(each, dtype=torch.float64, device=images.device).view(-1, 1, 1)
        for each in (distortion, across, down)
    )
    x = (torch.arange(width, device=images.device, dtype=torch.float64) - (width - 1) / 2) / width
    y = ((torch.arange(height, device=images.device, dtype=torch.float64) - (height - 1) / 2) / height)[:, None]
    squared = x**2 + y**2
    stretch = 1 + k * squared + k * squared**2
    columns = x * stretch * width + width / 2 + dx.round()
    rows = y * stretch * height + height / 2 + dy.round()
    return columns.float(), rows.float()
