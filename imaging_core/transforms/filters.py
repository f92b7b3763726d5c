"""Linear filters: any kernel, two of one dimension, Gaussian."""

from collections.abc import Sequence

import torch
from torch import Tensor

from imaging_core.transforms import opencv
from imaging_core.transforms.borders import extended
from imaging_core.transforms.pixels import check, image_by_image, to_float, to_type


def filter_2d(images: Tensor, kernel: Tensor, border: str = "reflect101") -> Tensor:
    """Correlate every channel with a kernel: OpenCV's ``filter2D``, ECVL's ``Filter2D``.

    Equals OpenCV within one level of 8 and 16 bits and 1e-5 of the range (for kernels whose values sum to about 1).
    ECVL itself repeats the edge (``replicate``) and cuts fractions off. Differentiable, in the kernel too.

    Args:
        images: a batch.
        kernel: height x width; its anchor is at (height // 2, width // 2).
        border: see ``border_index``; a constant one is 0.
    """
    check(images)
    if kernel.ndim != 2:
        raise ValueError(f"the kernel has {kernel.ndim} dimensions; it must be height x width")
    if border in opencv.BORDERS and opencv.takes(images) and not kernel.requires_grad:
        weights, outside = kernel.to(torch.float32).cpu().numpy(), opencv.border(border)
        filtered = opencv.cv2().filter2D
        return opencv.each_channel(images, lambda old, new: filtered(old, -1, weights, new, borderType=outside))
    return _filter_2d(images, kernel, border)


@image_by_image
def _filter_2d(images: Tensor, kernel: Tensor, border: str) -> Tensor:
    rows, columns = kernel.shape
    sides = (rows // 2, (rows - 1) // 2, columns // 2, (columns - 1) // 2)
    around = extended(to_float(images), sides, border)
    return to_type(_correlated(around, kernel.to(around)), images.dtype)


def _correlated(around: Tensor, kernel: Tensor) -> Tensor:
    """One pixel of the kernel after the other: for single channels much faster than PyTorch's convolution."""
    height, width = around.shape[-2] - kernel.shape[0] + 1, around.shape[-1] - kernel.shape[1] + 1
    total = around.new_zeros((*around.shape[:-2], height, width))
    for top, row in enumerate(kernel):
        for left, weight in enumerate(row):
            total.addcmul_(around[..., top : top + height, left : left + width], weight)
    return total


def separable(
    images: Tensor, across: Sequence[float] | Tensor, down: Sequence[float] | Tensor, border: str = "reflect101"
) -> Tensor:
    """Correlate along rows, then along columns: OpenCV's ``sepFilter2D``, ECVL's ``SeparableFilter2D``.

    As exact as ``filter_2d``; nothing is rounded in between.
    """
    check(images)
    rows, columns = (torch.as_tensor(each, dtype=torch.float32, device=images.device) for each in (across, down))
    if border in opencv.BORDERS and opencv.takes(images) and not (rows.requires_grad or columns.requires_grad):
        x, y, outside = rows.numpy(), columns.numpy(), opencv.border(border)
        filtered = opencv.cv2().sepFilter2D
        return opencv.each_channel(images, lambda old, new: filtered(old, -1, x, y, new, borderType=outside))
    return _separable(images, rows, columns, border)


@image_by_image
def _separable(images: Tensor, rows: Tensor, columns: Tensor, border: str) -> Tensor:
    values = to_float(images)
    values = _filter_2d(_filter_2d(values, rows[None], border), columns[:, None], border)
    return to_type(values, images.dtype)


def gaussian_kernel(size: int, sigma: float) -> list[float]:
    """``exp(-x ** 2 / (2 * sigma ** 2))`` at ``size`` places around 0, scaled to sum to 1: OpenCV's formula."""
    if size < 1 or size % 2 == 0 or sigma <= 0:
        raise ValueError(f"a Gaussian kernel has an odd size and a sigma above 0; asked: {size}, {sigma}")
    places = torch.arange(size, dtype=torch.float64) - size // 2
    weights = torch.exp(-(places**2) / (2 * sigma**2))
    kernel: list[float] = (weights / weights.sum()).tolist()
    return kernel


def gaussian_size(sigma: float) -> int:
    """The size of kernel that ECVL takes when only sigma is given: the inverse of OpenCV's rule, odd, at least 3."""
    size = int(((sigma - 0.8) / 0.3 + 1) / 0.5 + 1)
    return max(size + (size % 2 == 0), 3)


def gaussian_blur(
    images: Tensor,
    sigma: float | tuple[float, float],
    size: int | tuple[int, int] | None = None,
    border: str = "reflect101",
) -> Tensor:
    """Blur with a Gaussian: OpenCV's and ECVL's ``GaussianBlur``; as exact as ``filter_2d``.

    Args:
        images: a batch.
        sigma: in pixels, of both directions or (across, down).
        size: of the kernel, odd, likewise; ``gaussian_size`` of sigma if None.
        border: see ``border_index``; ECVL's is ``replicate``.
    """
    sigmas = sigma if isinstance(sigma, tuple) else (sigma, sigma)
    sizes = size if isinstance(size, tuple) else tuple(size or gaussian_size(each) for each in sigmas)
    across, down = (gaussian_kernel(*each) for each in zip(sizes, sigmas, strict=True))
    check(images)
    if border in opencv.BORDERS and opencv.takes(images):
        outside, blurred = opencv.border(border), opencv.cv2().GaussianBlur
        return opencv.each_channel(
            images, lambda old, new: blurred(old, sizes, sigmas[0], new, sigmaY=sigmas[1], borderType=outside)
        )
    return separable(images, across, down, border)
