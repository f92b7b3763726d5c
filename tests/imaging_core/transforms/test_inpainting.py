"""Inpainting against OpenCV's."""

import cv2
import numpy as np
import pytest
import torch

from imaging_core.transforms.inpainting import inpaint

METHODS = {"telea": cv2.INPAINT_TELEA, "navier_stokes": cv2.INPAINT_NS}


def scratched(images):
    masks = np.zeros((len(images), 1, *images.shape[-2:]), np.uint8)
    cv2.line(masks[0, 0], (10, 5), (80, 70), 1, 3)
    cv2.circle(masks[1, 0], (60, 40), 6, 255, -1)
    return torch.from_numpy(masks)


@pytest.mark.parametrize("method", METHODS)
def test_equals_opencv_channel_by_channel(integers, same, method):
    masks = scratched(integers.batch)
    damaged = torch.where(masks != 0, torch.zeros((), dtype=integers.batch.dtype), integers.batch)
    expected = [
        np.dstack([cv2.inpaint(plane, mask[0].numpy(), 4, METHODS[method]) for plane in image.numpy()])
        for image, mask in zip(damaged, masks, strict=True)
    ]
    found = inpaint(damaged, masks, 4, method)
    same(found, expected)
    outside = masks.expand_as(found) == 0
    assert torch.equal(found[outside], integers.batch[outside])
    error = (found.double() - integers.batch.double()).abs()[~outside].mean() / integers.largest
    assert error < 0.15  # filled with what is around, not with black
    assert torch.equal(damaged, torch.where(masks != 0, torch.zeros_like(integers.batch), integers.batch))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, m: inpaint(x.double(), m), "float64"),
        (lambda x, m: inpaint(x, m[:1]), r"\(1, 1, 97, 122\); for these images they must be \(2, 1, 97, 122\)"),
        (lambda x, m: inpaint(x, m, method="patch"), "no inpainting method 'patch'"),
    ],
    ids=["type", "shape", "method"],
)
def test_what_cannot_be_is_said(colour8, change, message):
    with pytest.raises(ValueError, match=message):
        change(colour8.batch, scratched(colour8.batch))
