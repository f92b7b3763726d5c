"""Linear filters against OpenCV."""

import cv2
import numpy as np
import pytest
import torch

from imaging_core.transforms.filters import filter_2d, gaussian_blur, gaussian_kernel, gaussian_size, separable

BORDERS = {
    "constant": cv2.BORDER_CONSTANT,
    "replicate": cv2.BORDER_REPLICATE,
    "reflect": cv2.BORDER_REFLECT,
    "reflect101": cv2.BORDER_REFLECT_101,
}


def tolerance(images):
    return 1 if images.largest > 1 else 1e-5


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("shape", [(1, 4), (5, 3)], ids=str)
def test_filter_2d_equals_opencv(images, same, shape, border):
    kernel = np.random.default_rng(0).normal(1, 2, shape).astype(np.float32)
    kernel /= kernel.sum()
    expected = [cv2.filter2D(each, -1, kernel, borderType=BORDERS[border]) for each in images.arrays]
    same(filter_2d(images.batch, torch.from_numpy(kernel), border), expected, tolerance(images))


def test_separable_equals_opencv(images, same):
    across, down = np.array([1, 4, 6, 4, 1]) / 16, np.array([-0.5, 2, -0.5])
    expected = [cv2.sepFilter2D(each, -1, across, down) for each in images.arrays]
    same(separable(images.batch, across.tolist(), down.tolist()), expected, tolerance(images))


@pytest.mark.parametrize(("sigma", "size"), [(0.8, 3), (2.5, 15), ((1.5, 4.0), (7, 21))], ids=str)
def test_gaussian_blur_equals_opencv(images, same, sigma, size):
    sigmas, sizes = ((each, each) if not isinstance(each, tuple) else each for each in (sigma, size))
    expected = [cv2.GaussianBlur(each, sizes, sigmas[0], sigmaY=sigmas[1]) for each in images.arrays]
    same(gaussian_blur(images.batch, sigma, size), expected, tolerance(images))


@pytest.mark.parametrize(("size", "sigma"), [(1, 1), (5, 1.1), (17, 3)])
def test_gaussian_kernel_is_opencvs(size, sigma):
    np.testing.assert_allclose(gaussian_kernel(size, sigma), cv2.getGaussianKernel(size, sigma).ravel(), atol=1e-12)


def test_the_size_follows_from_sigma_as_opencv_derives_sigma_from_it():
    for size in range(5, 41, 2):
        assert gaussian_size(0.3 * ((size - 1) * 0.5 - 1) + 0.8 + 1e-9) == size
    assert gaussian_size(0.1) == 3


def test_differentiable_in_image_and_kernel():
    images = torch.rand(1, 1, 3, 4, dtype=torch.float64, requires_grad=True)
    kernel = torch.rand(3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(filter_2d, (images, kernel))


def test_what_cannot_be_is_said():
    with pytest.raises(ValueError, match="kernel has 1 dimensions"):
        filter_2d(torch.zeros(1, 1, 4, 4), torch.ones(3))
    with pytest.raises(ValueError, match=r"odd size.*asked: 4, 1"):
        gaussian_blur(torch.zeros(1, 1, 4, 4), 1.0, 4)
