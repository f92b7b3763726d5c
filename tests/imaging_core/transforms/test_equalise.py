"""Integral images and equalisation against OpenCV, exactly."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imaging_core.transforms.equalise import clahe, equalise
from imaging_core.transforms.integral import integral_image


def test_integral_image_equals_opencv(images):
    sums = integral_image(images.batch)
    for ours, image in zip(sums, images.arrays, strict=True):
        theirs = cv2.integral(image, sdepth=cv2.CV_64F).reshape(98, 123, -1).transpose(2, 0, 1)
        np.testing.assert_allclose(ours, theirs, rtol=1e-9 if images.largest == 1 else 0)


def test_the_integral_is_differentiable():
    images = torch.rand(2, 1, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(integral_image, images)


def test_any_rectangles_sum_is_four_values(integers):
    sums = integral_image(integers.batch)
    part = integers.batch[..., 20:45, 7:100].to(torch.int64).sum((-2, -1))
    assert torch.equal(sums[..., 45, 100] - sums[..., 20, 100] - sums[..., 45, 7] + sums[..., 20, 7], part)


def test_equalise_equals_opencv_in_each_channel(colour8, same):
    expected = [
        np.stack([cv2.equalizeHist(np.ascontiguousarray(each[..., c])) for c in range(3)], -1)
        for each in colour8.arrays
    ]
    same(equalise(colour8.batch), expected)


@given(st.lists(st.integers(0, 255), min_size=1, max_size=40))
@example([0] + [1] * 7 + [2] * 7)  # 127.5 but for the last bit
@settings(max_examples=300)
def test_equalise_equals_opencv_for_few_pixels(values):
    image = np.array([values], np.uint8)
    np.testing.assert_array_equal(equalise(torch.from_numpy(image)[None, None])[0, 0], cv2.equalizeHist(image))


def opencv_clahe(image, clip, tiles):
    one = cv2.createCLAHE(clip, tiles)
    planes = [one.apply(np.ascontiguousarray(image[..., channel])) for channel in range(image.shape[-1])]
    return np.stack(planes, axis=-1)


@pytest.mark.parametrize("clip", [0, 2.0, 40.0])
@pytest.mark.parametrize("tiles", [(8, 8), (2, 3), (1, 1), (9, 7)], ids=str)
def test_clahe_equals_opencv_in_each_channel(colour8, same, clip, tiles):
    same(clahe(colour8.batch, clip, tiles), [opencv_clahe(each, clip, tiles) for each in colour8.arrays])


@pytest.mark.parametrize("clip", [0, 2.0])
def test_clahe_of_16_bits_equals_opencv(photographs, same, clip):
    image = photographs[1][..., 1:2].astype(np.uint16) * 200
    same(clahe(torch.from_numpy(image[..., 0])[None, None], clip, (3, 2)), [opencv_clahe(image, clip, (3, 2))])


def test_what_cannot_be_is_said():
    with pytest.raises(ValueError, match="equalisation is of uint8"):
        equalise(torch.zeros(1, 1, 2, 2))
    with pytest.raises(ValueError, match="takes uint8 or uint16"):
        clahe(torch.zeros(1, 1, 2, 2))
