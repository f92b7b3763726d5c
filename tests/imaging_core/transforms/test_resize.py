"""Every interpolation against OpenCV's."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imaging_core.transforms.resize import METHODS, resize, scale

FLAGS = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "cubic": cv2.INTER_CUBIC,
    "lanczos4": cv2.INTER_LANCZOS4,
}
SIZES = [(45, 61), (150, 200), (60, 200), (1, 1)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_equals_opencv(images, same, method, size):
    expected = [cv2.resize(each, size[::-1], interpolation=FLAGS[method]) for each in images.arrays]
    tolerance = 0 if method == "nearest" else 1 if images.largest > 1 else 1e-5
    same(resize(images.batch, size, method), expected, tolerance)


@pytest.mark.parametrize("method", METHODS)
@given(st.integers(2, 150), st.integers(2, 150), st.integers(1, 300), st.integers(1, 300))
@example(115, 132, 244, 187)  # 17 new columns for 12 old ones: their edges meet, but for a rounded bit
@settings(max_examples=60, deadline=None)
def test_any_size_equals_opencvs(method, height, width, rows, columns):
    noise = np.random.default_rng(height).random((height, width), dtype=np.float32)
    image = cv2.GaussianBlur(noise, (5, 5), 1)
    expected = cv2.resize(image, (columns, rows), interpolation=FLAGS[method])
    ours = resize(torch.from_numpy(image)[None, None], (rows, columns), method)[0, 0]
    np.testing.assert_allclose(ours, expected, atol=0 if method == "nearest" else 1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_size_changes_nothing(images, method):
    assert torch.equal(resize(images.batch, (97, 122), method), images.batch)


def test_scale_rounds_as_ecvl_does(images):
    assert scale(images.batch, (0.5, 0.25)).shape[-2:] == (49, 31)  # 48.5 and 30.5, away from zero


@pytest.mark.parametrize("method", ["linear", "area", "cubic", "lanczos4"])
def test_differentiable(method):
    images = torch.rand(1, 2, 6, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: resize(x, (4, 5), method), images)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(((0, 3),), "0 x 3"), (((3, 3), "bilinear"), r"no method 'bilinear'.*nearest, linear, area, cubic, lanczos4")],
)
def test_what_cannot_be_is_said(arguments, message):
    with pytest.raises(ValueError, match=message):
        resize(torch.zeros(1, 1, 4, 4), *arguments)


def test_only_batches_of_images():
    with pytest.raises(ValueError, match="3 dimensions"):
        resize(torch.zeros(1, 4, 4), (2, 2))
    with pytest.raises(ValueError, match=r"torch.int64"):
        resize(torch.zeros(1, 1, 4, 4, dtype=torch.int64), (2, 2))
