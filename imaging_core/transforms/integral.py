"""Integral images: sums over any rectangle from four values."""

from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from imaging_core.transforms import opencv
from imaging_core.transforms.pixels import check, image_by_image, white


def integral_image(images: Tensor) -> Tensor:
    """The sum of all pixels above and left of each corner between pixels: OpenCV's ``integral``, exactly.

    Returns:
        N x C x (H + 1) x (W + 1), with zeros at the top and left; int64, of floating images float64 (within 1e-9).
        ECVL's ``IntegralImage`` is float64.
    """
    check(images)
    if not opencv.takes(images):
        return _integral_image(images)
    size = (images.shape[-2] + 1, images.shape[-1] + 1)
    small = images.dtype == torch.uint8 and 255 * images.shape[-2] * images.shape[-1] < 2**31
    depth = opencv.cv2().CV_32S if small else opencv.cv2().CV_64F

    def into(plane: opencv.Array, sums: opencv.Array) -> None:
        sums[...] = opencv.cv2().integral(plane, sdepth=depth)

    return opencv.each_channel(images, into, size, torch.float64 if images.is_floating_point() else torch.int64)


@image_by_image
def _integral_image(images: Tensor) -> Tensor:
    kind = torch.float64 if images.is_floating_point() else torch.int64
    small = not images.is_floating_point() and white(images) * images.shape[-1] < 2**31
    rows = images.cumsum(-1, dtype=torch.int32 if small else kind)
    if images.device.type != "cpu" or images.is_floating_point():
        return functional.pad(rows, (1, 0, 1, 0)).cumsum(-2, dtype=kind)
    height, width = images.shape[-2:]
    sums = torch.zeros(*images.shape[:-2], height + 1, width + 1, dtype=kind)
    lines = sums[..., 1:].unbind(-2)
    for (above, line), row in zip(pairwise(lines), rows.unbind(-2), strict=True):  # cumsum across rows is slow
        torch.add(above, row, out=line)
    return sums
