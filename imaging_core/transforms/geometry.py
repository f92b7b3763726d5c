"""Flips, transposition, crops, borders and joins: pixels move, none changes. All are exact, and differentiable."""

from collections.abc import Sequence

import torch
from torch import Tensor

from imaging_core.transforms import opencv
from imaging_core.transforms.borders import extended
from imaging_core.transforms.pixels import check


def flip(images: Tensor) -> Tensor:
    """Top to bottom: ECVL's ``Flip2D``, OpenCV's ``flip(…, 0)``."""
    return images.flip(-2)


def mirror(images: Tensor) -> Tensor:
    """Left to right: ECVL's ``Mirror2D``, OpenCV's ``flip(…, 1)``."""
    return images.flip(-1)


def transpose(images: Tensor) -> Tensor:
    """Rows become columns: N x C x W x H; ECVL's ``Transpose``."""
    if opencv.takes(images):
        turned = (images.shape[-1], images.shape[-2])
        return opencv.each_channel(images, lambda old, new: opencv.cv2().transpose(old, new), turned)
    return images.transpose(-2, -1).contiguous()


def crop(images: Tensor, top: int, left: int, size: tuple[int, int]) -> Tensor:
    """The part of ``size`` (height, width) that begins at a row and a column; a view.

    Raises:
        ValueError: the part leaves the image.
    """
    check(images)
    height, width = images.shape[-2:]
    if min(top, left) < 0 or min(size) < 1 or top + size[0] > height or left + size[1] > width:
        raise ValueError(
            f"a crop of {size[0]} x {size[1]} at row {top}, column {left} does not fit into {height} x {width}"
        )
    return images[..., top : top + size[0], left : left + size[1]]


def centre_crop(images: Tensor, size: tuple[int, int]) -> Tensor:
    """The middle of the image, an odd rest being cut off at the bottom and right: ECVL's ``CenterCrop``."""
    height, width = images.shape[-2:]
    return crop(images, (height - size[0]) // 2, (width - size[1]) // 2, size)


def random_crop(
    images: Tensor, size: tuple[int, int], *, generator: torch.Generator | None = None, masks: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """A part of ``size`` of each image, every place equally likely; of masks (N x C x height x width) the same part.

    ``generator`` is of the images' device.
    """
    check(images)
    height, width = images.shape[-2:]
    if size[0] > height or size[1] > width:
        raise ValueError(f"a crop of {size[0]} x {size[1]} does not fit into {height} x {width}; pad the images first")
    tops, lefts = (
        torch.randint(0, side - wanted + 1, (len(images), 1), generator=generator, device=images.device)
        for side, wanted in ((height, size[0]), (width, size[1]))
    )
    rows = (tops + torch.arange(size[0], device=images.device))[:, None, :, None]
    columns = (lefts + torch.arange(size[1], device=images.device))[:, None, None, :]

    def parts(batch: Tensor) -> Tensor:
        channels = batch.shape[1]
        kept = batch.gather(-2, rows.expand(-1, channels, -1, width))
        return kept.gather(-1, columns.expand(-1, channels, size[0], -1))

    return parts(images), None if masks is None else parts(masks)


def pad(images: Tensor, sides: tuple[int, int, int, int], border: str = "constant", value: float = 0) -> Tensor:
    """Add rows and columns at (top, bottom, left, right), ECVL's order: OpenCV's ``copyMakeBorder``.

    Args:
        images: a batch.
        sides: how many, each at least 0; any number of them for every border.
        border: ``constant``, ``replicate``, ``reflect`` (the edge twice), ``reflect101`` (the edge once) or ``wrap``.
        value: what a constant border holds.
    """
    check(images)
    if min(sides) < 0:
        raise ValueError(f"cannot add {min(sides)} rows or columns; crop instead")
    return extended(images, sides, border, value)


def stack(batches: Sequence[Tensor]) -> Tensor:
    """Images of equal height and width, one behind the other: N x (all their channels) x H x W; ECVL's ``Stack``."""
    return torch.cat(list(batches), dim=1)


def beside(batches: Sequence[Tensor]) -> Tensor:
    """Images of equal height from left to right: ECVL's ``HConcat``, OpenCV's ``hconcat``."""
    return torch.cat(list(batches), dim=-1)


def below(batches: Sequence[Tensor]) -> Tensor:
    """Images of equal width from top to bottom: ECVL's ``VConcat``, OpenCV's ``vconcat``."""
    return torch.cat(list(batches), dim=-2)


def drop_channel(images: Tensor) -> Tensor:
    """Grey images without their channel, N x H x W: ECVL's ``DropColorChannel``; ValueError if they have several."""
    check(images)
    if images.shape[1] != 1:
        raise ValueError(f"images have {images.shape[1]} channels; only the channel of grey images can be dropped")
    return images.squeeze(1)
