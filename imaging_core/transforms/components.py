"""Connected components of masks and volumes, with their areas, boxes and centres."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from imaging_core.transforms import opencv


def label(masks: Tensor, dimensions: int = 2, *, corners: bool = True) -> tuple[Tensor, Tensor]:
    """Number the connected components of each mask: OpenCV's ``connectedComponents``, SciPy's ``label``, exactly.

    On the CPU OpenCV does it, or in three dimensions SciPy; elsewhere every pixel takes the smallest number among its
    neighbours until none changes, which waits for the device after each of a few steps.

    Args:
        masks: ... x height x width, or ... x depth x height x width; not 0 in the foreground.
        dimensions: 2 or 3: how many of the last axes belong together.
        corners: whether pixels that meet in a corner are connected (8 or 26 neighbours), or only by sides (4 or 6).

    Returns:
        The labels, int32 of the masks' shape: 0 in the background, 1, 2, … by the first pixel in reading order; and how
        many there are, int32 of the shape before the last axes.
    """
    if dimensions not in (2, 3) or masks.ndim < dimensions:
        raise ValueError(f"components are of 2 or 3 dimensions; asked: {dimensions} of {masks.ndim}")
    if masks.device.type != "cpu":
        return label_by_spreading(masks, dimensions, corners=corners)
    bytes_of = (masks != 0).to(torch.uint8).reshape(-1, 1, *masks.shape[-2:])
    if dimensions == 2 and opencv.takes(bytes_of):
        return _label_by_opencv(bytes_of, masks.shape, 8 if corners else 4)
    structure = ndimage.generate_binary_structure(dimensions, dimensions if corners else 1)
    shape = masks.shape[-dimensions:]
    labels = np.empty((masks.shape[:-dimensions].numel(), *shape), np.int32)
    flat = masks.reshape(-1, *shape).numpy()
    counts = [ndimage.label(mask, structure, output=out) for mask, out in zip(flat, labels, strict=True)]
    return (
        torch.from_numpy(labels).view(masks.shape),
        torch.tensor(counts, dtype=torch.int32).view(masks.shape[:-dimensions]),
    )


def _label_by_opencv(masks: Tensor, shape: torch.Size, neighbours: int) -> tuple[Tensor, Tensor]:
    """By the algorithm that numbers components as they begin (Wu, Otoo and Suzuki, 2009); its faster ones do not."""
    cv2 = opencv.cv2()
    labels = torch.empty(masks.shape, dtype=torch.int32)
    counts = np.empty(len(masks), np.int32)

    def into(number: int) -> None:
        image, target = masks[number, 0].numpy(), labels[number, 0].numpy()
        counts[number] = (
            cv2.connectedComponentsWithAlgorithm(image, neighbours, cv2.CV_32S, cv2.CCL_SAUF, target)[0] - 1
        )

    opencv.side_by_side(into, zip(range(len(masks))))
    return labels.view(shape), torch.from_numpy(counts).view(shape[:-2])


def label_by_spreading(masks: Tensor, dimensions: int = 2, *, corners: bool = True) -> tuple[Tensor, Tensor]:
    """``label`` in tensors alone, for devices without SciPy.

    Each pixel points at a pixel of its component with a smaller or its own number. A step lets what it points at point
    at the least that a neighbour points at, and shortens all ways to half (Shiloach and Vishkin, 1982).
    """
    shape = masks.shape[-dimensions:]
    flat = (masks != 0).reshape(-1, shape.numel())
    own = torch.arange(shape.numel(), device=masks.device).expand(flat.shape)
    outside = shape.numel()
    points = torch.where(flat, own, outside)
    while True:
        least = _least_of_neighbours(points.view(-1, *shape), outside, corners).view(flat.shape)
        least = torch.where(flat, least, outside)
        extended = torch.cat([points, points.new_full((len(points), 1), outside)], dim=1)
        extended = extended.scatter_reduce(1, points, least, "amin")
        shorter = extended.gather(1, extended.gather(1, points))
        if torch.equal(shorter, points):
            break
        points = shorter
    numbers = ((points == own) & flat).cumsum(1, dtype=torch.int32)
    labels = torch.where(flat, numbers.gather(1, points.clamp(max=outside - 1)), 0)
    return labels.view(masks.shape), numbers[:, -1].view(masks.shape[:-dimensions])


def _least_of_neighbours(points: Tensor, outside: int, corners: bool) -> Tensor:
    """The minimum over each pixel and its neighbours; items x (depth x) height x width."""
    axes = range(1, points.ndim)
    results = []
    least = points
    for axis in axes:
        source = least if corners else points
        border = source.new_full((), outside).expand_as(source.narrow(axis, 0, 1))
        padded = torch.cat([border, source, border], dim=axis)
        length = source.shape[axis]
        near = torch.minimum(padded.narrow(axis, 0, length), padded.narrow(axis, 2, length))
        least = torch.minimum(source, near)
        results.append(least)
    return least if corners else torch.stack(results).amin(0)


@dataclass(frozen=True)
class Components:
    """What ``measure`` finds, by label; those that an item does not have are empty: area 0, the rest 0.

    ``low`` and ``extent`` are the boxes, ... x labels x axes, int64, axes in the masks' order; ``area`` is ... x
    labels, int64, in pixels; ``centre`` the mean of coordinates, ... x labels x axes, float64.
    """

    low: Tensor
    extent: Tensor
    area: Tensor
    centre: Tensor


def measure(labels: Tensor, count: int, dimensions: int = 2) -> Components:
    """Boxes, areas and centres of labels 0 (the background) to ``count``: OpenCV's ``connectedComponentsWithStats``.

    Args:
        labels: what ``label`` gives.
        count: the largest label of all items; ``int(counts.max())`` waits for the device, hence it is given.
        dimensions: as for ``label``.
    """
    shape = labels.shape[-dimensions:]
    flat = labels.reshape(-1, shape.numel()).to(torch.int64)
    before = labels.shape[:-dimensions]
    zeros = torch.zeros(len(flat), count + 1, dtype=torch.int64, device=labels.device)
    area = zeros.scatter_add(1, flat, torch.ones_like(flat))
    found = area > 0
    lows, extents, centres = [], [], []
    for axis, side in enumerate(shape):
        place = torch.arange(side, device=labels.device)
        place = place.view([-1 if each == axis else 1 for each in range(dimensions)]).expand(shape).reshape(1, -1)
        place = place.expand(flat.shape)
        low = torch.full_like(zeros, side).scatter_reduce(1, flat, place, "amin")
        high = zeros.scatter_reduce(1, flat, place, "amax")
        lows.append(torch.where(found, low, 0))
        extents.append(torch.where(found, high - low + 1, 0))
        centres.append(zeros.scatter_add(1, flat, place) / area.clamp(min=1).double())
    low, extent, centre = (torch.stack(each, -1).view(*before, count + 1, -1) for each in (lows, extents, centres))
    return Components(low, extent, area.view(*before, count + 1), centre)
