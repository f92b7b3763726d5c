"""Distortions: maps against OpenCV, SciPy and a plain loop."""

import cv2
import numpy as np
import pytest
import torch
from scipy import ndimage

from imaging_core.transforms.distortion import elastic_places, grid_places, optical_places
from imaging_core.transforms.sampling import remap

IMAGES = torch.zeros(2, 1, 97, 122)


@pytest.mark.parametrize(("k", "dx", "dy"), [(0.3, 0, 0), (-0.25, 4.4, -7.6)])
def test_optical_places_are_opencvs(k, dx, dy):
    camera = np.array([[122, 0, 61 + round(dx)], [0, 97, 48.5 + round(dy)], [0, 0, 1]], np.float64)
    lens = np.array([k, k, 0, 0, 0])
    expected = cv2.initUndistortRectifyMap(camera, lens, None, None, (122, 97), cv2.CV_32FC1)
    for ours, theirs in zip(optical_places(IMAGES, k, dx, dy), expected, strict=True):
        np.testing.assert_allclose(ours[0], theirs, atol=1e-4)


def test_each_image_its_own_lens():
    both = optical_places(IMAGES, torch.tensor([0.1, -0.2]), torch.tensor([3.0, 0.0]))
    for place, (k, shift) in enumerate([(0.1, 3.0), (-0.2, 0.0)]):
        for together, alone in zip(both, optical_places(IMAGES, k, shift), strict=True):
            torch.testing.assert_close(together[place], alone[0], atol=1e-4, rtol=0)


def places_by_hand(side, factors):
    length, start, values = side // len(factors), 0.0, []
    for factor in factors:
        values += list(np.linspace(start, start + factor * length, length))
        start += factor * length
    rest = side - len(values)
    return values + (list(np.linspace(start, side, rest)) if rest > 1 else [start] * rest)


@pytest.mark.parametrize("steps", [1, 5, 6])
def test_grid_places_are_those_of_a_plain_loop(steps):
    across, down = torch.rand(2, 2, steps, generator=torch.Generator().manual_seed(0)) + 0.5
    columns, rows = grid_places((97, 122), across, down)
    for image in range(2):
        np.testing.assert_allclose(columns[image, 40], places_by_hand(122, across[image].tolist()), atol=1e-3)
        np.testing.assert_allclose(rows[image, :, 7], places_by_hand(97, down[image].tolist()), atol=1e-3)


def test_a_distorted_image_is_opencvs_remap_of_the_same_places(colour8, same):
    factors = torch.tensor([[0.7, 1.3, 1.0, 1.1, 0.8]] * 2)
    columns, rows = grid_places((97, 122), factors, factors.flip(-1))
    expected = [
        cv2.remap(each, columns[0].numpy(), rows[0].numpy(), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        for each in colour8.arrays
    ]
    same(remap(colour8.batch, columns, rows, border="reflect101"), expected, 1)


def test_elastic_places_are_blurred_noise():
    columns, rows = elastic_places(IMAGES, 30.0, 4.0, generator=torch.Generator().manual_seed(3))
    noise = torch.rand(2, 2, 97, 122, generator=torch.Generator().manual_seed(3)).numpy() * 2 - 1
    across, down = (
        30 * ndimage.gaussian_filter(noise[:, axis], (0, 4, 4), mode="nearest", radius=8) for axis in (0, 1)
    )
    np.testing.assert_allclose(columns, across + np.arange(122), atol=1e-3)
    np.testing.assert_allclose(rows, down + np.arange(97)[:, None], atol=1e-3)


def test_what_cannot_be_is_said():
    with pytest.raises(ValueError, match="98 cells do not fit into 97 pixels"):
        grid_places((97, 122), torch.ones(1, 2), torch.ones(1, 98))
