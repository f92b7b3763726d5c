"""Colour spaces against OpenCV's cvtColor, on photographs and on every 8-bit colour of a lattice."""

import itertools

import cv2
import numpy as np
import pytest
import torch

from imaging_core.transforms.colour import convert

CODES = {
    ("rgb", "gray"): cv2.COLOR_RGB2GRAY,
    ("rgb", "bgr"): cv2.COLOR_RGB2BGR,
    ("rgb", "rgba"): cv2.COLOR_RGB2RGBA,
    ("rgb", "hsv"): cv2.COLOR_RGB2HSV,
    ("rgb", "ycbcr"): cv2.COLOR_RGB2YCrCb,
    ("gray", "rgb"): cv2.COLOR_GRAY2RGB,
    ("bgr", "gray"): cv2.COLOR_BGR2GRAY,
    ("rgba", "rgb"): cv2.COLOR_RGBA2RGB,
    ("hsv", "rgb"): cv2.COLOR_HSV2RGB,
    ("ycbcr", "rgb"): cv2.COLOR_YCrCb2RGB,
}
CHANNELS = {"gray": 1, "rgba": 4}


@pytest.fixture
def lattice():
    levels = [*range(0, 256, 9), 127, 128, 254, 255]
    colours = np.array(list(itertools.product(levels, repeat=3)), np.uint8)
    return colours[: len(colours) // 64 * 64].reshape(64, -1, 3)


def opencv(image, source, target):
    if source == "ycbcr":
        image = np.ascontiguousarray(image[..., [0, 2, 1]])
    converted = cv2.cvtColor(image, CODES[source, target])
    return converted[..., [0, 2, 1]] if target == "ycbcr" else converted


def as_batch(array):
    return torch.from_numpy(np.ascontiguousarray(np.atleast_3d(array).transpose(2, 0, 1)))[None]


TYPES = [np.uint8, np.uint16, np.float32]
CASES = [(*pair, dtype) for pair in CODES for dtype in TYPES if dtype != np.uint16 or "hsv" not in pair]


@pytest.mark.parametrize(("source", "target", "dtype"), CASES)
def test_equals_opencv(photographs, lattice, same, source, target, dtype):
    channels = CHANNELS.get(source, 3)
    whole = [photographs[0][..., :channels], *([lattice] if channels == 3 else [])]
    for image in whole:
        if source == "hsv":
            image = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2HSV)
        typed = image.astype(dtype)
        if dtype == np.uint16:
            typed = typed * 257 - (typed > 100)
        elif dtype == np.float32:
            typed = typed / np.float32(255) if source != "hsv" else typed * np.array([2, 1 / 255, 1 / 255], dtype)
        expected = opencv(np.ascontiguousarray(typed), source, target)
        ours = convert(as_batch(typed), source, target)
        if dtype == np.float32:
            same(ours / (360 if target == "hsv" else 1), [expected / np.float32(360 if target == "hsv" else 1)], 3e-6)
        else:
            same(ours, [expected], 1 if source == "hsv" else 0)


def test_through_rgb(colour8):
    rgb = colour8.batch
    assert torch.equal(convert(convert(rgb, "rgb", "bgr"), "bgr", "hsv"), convert(rgb, "rgb", "hsv"))
    assert torch.equal(convert(convert(rgb, "rgb", "rgba"), "rgba", "gray"), convert(rgb, "rgb", "gray"))
    assert torch.equal(convert(rgb, "rgb", "rgb"), rgb)


@pytest.mark.parametrize("space", ["hsv", "ycbcr"])
def test_there_and_back(colour8, space):
    rgb = colour8.batch.double() / 255
    back = convert(convert(rgb, "rgb", space), space, "rgb")
    torch.testing.assert_close(back, rgb, atol=2e-3 if space == "ycbcr" else 1e-5, rtol=0)


def test_what_cannot_be_is_said():
    with pytest.raises(ValueError, match=r"no colour space 'lab'.*gray, rgb"):
        convert(torch.zeros(1, 3, 2, 2), "rgb", "lab")
    with pytest.raises(ValueError, match="1 channels; rgb has 3"):
        convert(torch.zeros(1, 1, 2, 2), "rgb", "gray")
    with pytest.raises(ValueError, match="16 bits"):
        convert(torch.zeros(1, 3, 2, 2, dtype=torch.uint16), "rgb", "hsv")
