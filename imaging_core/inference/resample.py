"""Linear interpolation along three axes, one after the other, on the device; the same bits for any neighbours."""

import torch
from torch import Tensor
from torch.nn import functional

from imaging_core.decode.sampling import Line, Sampling, line


def interpolate(voxels: Tensor, sampling: Sampling) -> Tensor:
    """Values at the positions of a sampling, float32, (any axes) x slices x rows x columns; without zeros around."""
    for number, each in enumerate(sampling):
        voxels = _along(voxels, voxels.ndim - 3 + number, each)
    return voxels


def surround(voxels: Tensor, sampling: Sampling) -> Tensor:
    """The same with the zeros that a sampling has around them."""
    around = [count for each in reversed(sampling) for count in (each.before, each.after)]
    return functional.pad(voxels, around) if any(around) else voxels


def resized(maps: Tensor, size: tuple[int, ...], first: int, count: int) -> Tensor:
    """Some slices of maps that are resampled to another size.

    Args:
        maps: float32, classes x slices x rows x columns.
        size: slices, rows and columns of the whole result.
        first: the first of its slices that is wanted.
        count: how many.

    Returns:
        float32, classes x count x rows x columns: those slices of PyTorch's trilinear interpolation of the whole.
    """
    depth, height, width = maps.shape[1:]
    cuts = line(first, count, size[0], depth), line(0, size[1], size[1], height), line(0, size[2], size[2], width)
    slices, rows, columns = (needed for needed, _ in cuts)
    along, down, across = (each for _, each in cuts)
    return interpolate(maps[:, slices, rows, columns], (along, down, across))


def _along(voxels: Tensor, axis: int, each: Line) -> Tensor:
    lower = torch.from_numpy(each.lower).to(voxels.device)
    below = voxels.index_select(axis, lower) if len(lower) != voxels.shape[axis] or each.weight.any() else voxels
    if not each.weight.any():
        return below
    above = voxels.index_select(axis, (lower + 1).clamp_(max=voxels.shape[axis] - 1))
    weight = torch.from_numpy(each.weight).to(voxels.device).view(-1, *[1] * (voxels.ndim - 1 - axis))
    return above.sub_(below).mul_(weight).add_(below)
