"""Brightness and contrast against OpenCV and scikit-image."""

import cv2
import numpy as np
import pytest
import torch
from skimage.exposure import adjust_gamma, rescale_intensity

from imaging_core.transforms.intensity import (
    brightness,
    gamma,
    mean_std,
    normalise,
    scale_from_to,
    scale_to,
    to_float32,
)


@pytest.mark.parametrize("exponent", [0.4, 1, 2.2])
def test_gamma_equals_scikit_image(images, same, exponent):
    expected = [adjust_gamma(each, exponent) for each in images.arrays]
    same(gamma(images.batch, exponent), expected, 1e-6 if images.largest == 1 else 1)


def test_gamma_rounds(colour8, same):
    table = np.rint((np.arange(256) / 255) ** 1.7 * 255).astype(np.uint8)
    same(gamma(colour8.batch, 1.7), [cv2.LUT(each, table) for each in colour8.arrays])


@pytest.mark.parametrize("added", [-60, 0, 100])
def test_brightness_equals_opencv(images, same, added):
    expected = [cv2.add(each, (added,) * 4).reshape(each.shape) for each in images.arrays]
    same(brightness(images.batch, added), expected)


def test_mean_and_standard_deviation_equal_opencv(images):
    means, stds = mean_std(images.batch)
    for image, mean, std in zip(images.arrays, means, stds, strict=True):
        expected = cv2.meanStdDev(image)
        np.testing.assert_allclose(mean, expected[0].ravel(), rtol=1e-9)
        np.testing.assert_allclose(std, expected[1].ravel(), rtol=1e-9)


def test_normalised_images_have_mean_0_and_standard_deviation_1(images):
    one = images.batch[:1]
    mean, std = mean_std(one)
    normal = mean_std(normalise(one, mean[0].tolist(), std[0].tolist()))
    torch.testing.assert_close(normal[0], torch.zeros_like(mean), atol=1e-5, rtol=0)
    torch.testing.assert_close(normal[1], torch.ones_like(std))


def test_scale_to_equals_opencv(images, same):
    low, high = 0.1 * images.largest, 0.7 * images.largest
    if images.largest > 1:
        low, high = int(low), int(high)
    expected = [cv2.normalize(each, None, low, high, cv2.NORM_MINMAX) for each in images.arrays]
    same(scale_to(images.batch, low, high), expected, 1e-6 if images.largest == 1 else 1)


def test_an_image_of_one_value_is_scaled_to_the_largest():
    assert scale_to(torch.full((1, 1, 2, 2), 7, dtype=torch.uint8), 3, 200).unique().tolist() == [200]


def test_scale_from_to_equals_scikit_image(images, same):
    old = (0.2 * images.largest, 0.6 * images.largest)
    new = (0, images.largest)
    expected = [rescale_intensity(each.astype(float), old, new) for each in images.arrays]
    if images.largest > 1:
        expected = [each.round().astype(source.dtype) for each, source in zip(expected, images.arrays, strict=True)]
        return same(scale_from_to(images.batch, old, new), expected, 1)
    return same(scale_from_to(images.batch, old, new), [each.astype(np.float32) for each in expected], 1e-6)


def test_to_float32(images):
    assert torch.equal(to_float32(images.batch, 255), images.batch.float() / 255)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: gamma(x, 1.3),
        lambda x: normalise(x, [0.1, 0.2], 0.3),
        lambda x: scale_to(x, 0, 3),
        lambda x: scale_from_to(x, (-1, 2), (0, 9)),
    ],
)
def test_differentiable(function):
    images = (torch.rand(1, 2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + 0.1) / 1.2
    assert torch.autograd.gradcheck(function, images.requires_grad_())


def test_what_cannot_be_is_said():
    image = torch.zeros(1, 3, 2, 2)
    with pytest.raises(ValueError, match="deviation of 0"):
        normalise(image, 0, 0)
    with pytest.raises(ValueError, match="2 numbers are given for 3 channels"):
        normalise(image, [1, 2], 1)
    with pytest.raises(ValueError, match="3 to 3, is empty"):
        scale_from_to(image, (3, 3), (0, 1))
