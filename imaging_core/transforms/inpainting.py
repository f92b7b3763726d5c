"""Inpainting: pixels that are missing are filled from around them."""

from typing import Literal

import torch
from torch import Tensor

from imaging_core.transforms import opencv
from imaging_core.transforms.pixels import LARGEST, check

Inpainting = Literal["telea", "navier_stokes"]


def inpaint(images: Tensor, masks: Tensor, radius: float = 5.0, method: Inpainting = "telea") -> Tensor:
    """Fill what a mask covers: OpenCV's ``inpaint``, ECVL's ``Inpaint``, exactly; each channel on its own.

    Both methods go from pixel to pixel, inwards, so OpenCV computes them on the CPU; images on another device are
    brought there and back, which waits for that device.

    Args:
        images: a batch of uint8 or uint16.
        masks: N x 1 x H x W, not 0 where pixels are missing.
        radius: how far around a pixel known ones are looked at, in pixels; ECVL's is 5.
        method: ``telea`` (Telea, 2004) or ``navier_stokes`` (Bertalmio, Bertozzi and Sapiro, 2001).

    Raises:
        ValueError: images of another type, or masks of another shape.
    """
    check(images)
    if images.dtype not in LARGEST:
        raise ValueError(f"images are {images.dtype}; inpainting takes uint8 and uint16 (OpenCV adds 0.5 to floats)")
    wanted = (len(images), 1, *images.shape[-2:])
    if masks.shape != wanted:
        raise ValueError(f"the masks are {tuple(masks.shape)}; for these images they must be {wanted}")
    if method not in ("telea", "navier_stokes"):
        raise ValueError(f"there is no inpainting method {method!r}; there are: telea, navier_stokes")
    cv2 = opencv.cv2()
    flag = cv2.INPAINT_TELEA if method == "telea" else cv2.INPAINT_NS
    filled = images.detach().cpu().contiguous().clone()
    missing = (masks != 0).to("cpu", torch.uint8).numpy()

    def fill(image: int, channel: int) -> None:
        plane = filled[image, channel].numpy()
        plane[...] = cv2.inpaint(plane, missing[image, 0], radius, flag)

    opencv.side_by_side(fill, ((image, channel) for image in range(len(images)) for channel in range(images.shape[1])))
    return filled.to(images.device)
