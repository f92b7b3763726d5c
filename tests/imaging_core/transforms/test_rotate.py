"""Rotation and free sampling against OpenCV's warpAffine and remap."""

import cv2
import numpy as np
import pytest
import torch

from imaging_core.transforms.rotate import rotate, rotate_full
from imaging_core.transforms.sampling import remap

FLAGS = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "lanczos4": cv2.INTER_LANCZOS4,
}
BORDERS = {
    "constant": cv2.BORDER_CONSTANT,
    "replicate": cv2.BORDER_REPLICATE,
    "reflect": cv2.BORDER_REFLECT,
    "reflect101": cv2.BORDER_REFLECT_101,
    "wrap": cv2.BORDER_WRAP,
}


def tolerance(pictures, method):
    """Of a fraction of white, at least one level of 8 bits: OpenCV looks up cubic weights for 1/32 of a pixel."""
    if method == "nearest":
        return 0
    share = 1e-4 if method == "linear" else 0.06
    return max(share * pictures.largest, 1 if pictures.largest == 255 else 0)


@pytest.mark.parametrize("method", FLAGS)
@pytest.mark.parametrize(
    ("angle", "centre", "scale"), [(13.3, None, 1.0), (-151, (20.0, 70.5), 1.3), (88.6, None, 0.4)]
)
def test_rotate_equals_warp_affine(images, same, method, angle, centre, scale):
    matrix = cv2.getRotationMatrix2D(centre or (122 / 2, 97 / 2), -angle, scale)
    expected = [cv2.warpAffine(each, matrix, (122, 97), flags=FLAGS[method]) for each in images.arrays]
    turned = rotate(images.batch, angle, centre=centre, scale=scale, method=method)
    same(turned, expected, tolerance(images, method))


@pytest.mark.parametrize("angle", [0, 30, -77.7, 90, 180])
def test_rotate_full_has_the_frame_of_ecvl(colour8, same, angle):
    matrix = cv2.getRotationMatrix2D((122 / 2, 97 / 2), -angle, 1)
    cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
    width, height = round(97 * sine + 122 * cosine), round(97 * cosine + 122 * sine)
    matrix[:, 2] += width // 2 - 122 / 2, height // 2 - 97 / 2
    expected = [cv2.warpAffine(each, matrix, (width, height)) for each in colour8.arrays]
    same(rotate_full(colour8.batch, angle), expected, 1)


def test_each_image_its_own_angle(images):
    together = rotate(images.batch, torch.tensor([10.0, -50.0]))
    for place, angle in enumerate([10.0, -50.0]):
        assert torch.equal(together[place : place + 1], rotate(images.batch[place : place + 1], angle))


def test_quarters_about_the_middle_pixel_move_pixels(images):
    square = images.batch[..., :97, :97]
    turned = rotate(square, 90, centre=(48, 48), method="nearest")
    assert torch.equal(turned, square.transpose(-2, -1).flip(-1))
    for _ in range(3):
        turned = rotate(turned, 90, centre=(48, 48), method="nearest")
    assert torch.equal(turned, square)


@pytest.fixture(scope="module")
def places():
    """Columns and rows up to 60 pixels outside the images, none in the middle between two pixels."""
    down, across = np.mgrid[-60:157:2.37, -60:182:3.19]
    wave = np.sin(down / 20) * 5
    return (across + wave).astype(np.float32), (down + wave).astype(np.float32)


@pytest.mark.parametrize("method", FLAGS)
@pytest.mark.parametrize("border", BORDERS)
def test_remap_equals_opencv(images, same, places, method, border):
    value = 0.25 if images.largest == 1 else 77
    expected = [cv2.remap(each, *places, FLAGS[method], None, BORDERS[border], [value] * 4) for each in images.arrays]
    across, down = (torch.from_numpy(each) for each in places)
    same(remap(images.batch, across, down, method, border, value), expected, tolerance(images, method))


@pytest.mark.parametrize("method", ["linear", "cubic", "lanczos4"])
@pytest.mark.parametrize("border", ["constant", "wrap"])
def test_differentiable_in_pixels_and_places(method, border):
    random = torch.Generator().manual_seed(0)
    images = torch.rand(2, 1, 6, 7, dtype=torch.float64, generator=random, requires_grad=True)
    across, down = (torch.rand(2, 1, 2, dtype=torch.float64, generator=random) * 7 - 1 for _ in range(2))
    assert torch.autograd.gradcheck(
        lambda *given: remap(*given, method, border), (images, across.requires_grad_(), down.requires_grad_())
    )


def test_what_cannot_be_is_said():
    image, place = torch.zeros(1, 1, 4, 4), torch.zeros(2, 2)
    with pytest.raises(ValueError, match=r"no method 'sinc'.*lanczos4"):
        remap(image, place, place, "sinc")
    with pytest.raises(ValueError, match="no border 'edge'"):
        remap(image, place, place, "linear", "edge")
