"""Morphology against OpenCV, exactly, and its identities."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from imaging_core.transforms.morphology import OPERATIONS, closing, dilate, disc, erode, hit_or_miss, opening

CODES = {
    "erode": cv2.MORPH_ERODE,
    "dilate": cv2.MORPH_DILATE,
    "open": cv2.MORPH_OPEN,
    "close": cv2.MORPH_CLOSE,
    "gradient": cv2.MORPH_GRADIENT,
    "top_hat": cv2.MORPH_TOPHAT,
    "black_hat": cv2.MORPH_BLACKHAT,
}
ELEMENTS = {
    "square": np.ones((3, 3), np.uint8),
    "bar": np.ones((2, 11), np.uint8),
    "disc": cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7)),
    "hook": np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0]], np.uint8),
}
IMAGES = arrays(np.uint8, st.tuples(st.just(1), st.just(1), st.integers(1, 12), st.integers(1, 12)))
SQUARE = torch.ones(3, 3)


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("operation", CODES)
def test_equals_opencv(images, same, operation, element):
    kernel = ELEMENTS[element]
    expected = [cv2.morphologyEx(each, CODES[operation], kernel) for each in images.arrays]
    same(OPERATIONS[operation](images.batch, torch.from_numpy(kernel)), expected)


@pytest.mark.parametrize("operation", CODES)
def test_iterations_equal_opencvs(colour8, same, operation):
    kernel = ELEMENTS["hook"]
    expected = [cv2.morphologyEx(each, CODES[operation], kernel, iterations=3) for each in colour8.arrays]
    same(OPERATIONS[operation](colour8.batch, torch.from_numpy(kernel), 3), expected)


@pytest.mark.parametrize("pattern", [[[0, 1, 0], [-1, 1, 1], [-1, -1, 0]], [[1, 1], [1, 1]], [[-1, -1, 1]]])
def test_hit_or_miss_equals_opencv(photographs, pattern):
    image = (photographs[0][..., 1] > 150).astype(np.uint8) * 255
    kernel = np.array(pattern)
    expected = cv2.morphologyEx(image, cv2.MORPH_HITMISS, kernel)
    ours = hit_or_miss(torch.from_numpy(image)[None, None], torch.from_numpy(kernel))
    np.testing.assert_array_equal(ours[0, 0], expected)


@pytest.mark.parametrize("size", [1, 3, 5, 7, 9, 15, 31])
def test_disc_is_opencvs_ellipse(size):
    np.testing.assert_array_equal(disc(size), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))


@given(IMAGES)
@settings(max_examples=40)
def test_duality_order_and_idempotence(array):
    image = torch.from_numpy(array)
    assert torch.equal(dilate(image, SQUARE), ~erode(~image, SQUARE))
    assert torch.equal(closing(image, SQUARE), ~opening(~image, SQUARE))
    assert (erode(image, SQUARE) <= opening(image, SQUARE)).all()
    assert (opening(image, SQUARE) <= image).all()
    assert (image <= closing(image, SQUARE)).all()
    assert torch.equal(opening(opening(image, SQUARE), SQUARE), opening(image, SQUARE))


def test_what_cannot_be_is_said():
    with pytest.raises(ValueError, match="not empty"):
        dilate(torch.zeros(1, 1, 2, 2), torch.zeros(3, 3))
    with pytest.raises(ValueError, match="uint8 images of black and white"):
        hit_or_miss(torch.zeros(1, 1, 2, 2), torch.ones(3, 3))
