"""Maxima, moments and contours against OpenCV, SciPy and NumPy."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage import data

from imaging_core.transforms.contours import find_contours
from imaging_core.transforms.maxima import suppress_non_maxima, top
from imaging_core.transforms.moments import central_moments, hu_moments, moments, normalised_moments

ORDERS = [(p, q) for p in range(4) for q in range(4) if p + q <= 3]


def test_what_remains_is_the_maximum_of_its_neighbours(images, same):
    expected = []
    for image in images.arrays:
        kept = np.where(image == ndimage.maximum_filter(image, (3, 3, 1)), image, 0)
        kept[[0, -1]] = kept[:, [0, -1]] = 0
        expected.append(kept.astype(image.dtype))
    same(suppress_non_maxima(images.batch), expected)


def test_top_is_a_stable_sort(images):
    values, places = top(images.batch, 50)
    assert values.dtype == images.batch.dtype
    for image, ours, where in zip(images.arrays, values, places, strict=True):
        for channel in range(image.shape[-1]):
            order = np.argsort(-image[..., channel].astype(np.float64), axis=None, kind="stable")[:50]
            np.testing.assert_array_equal(where[channel], np.column_stack(np.unravel_index(order, image.shape[:2])))
            np.testing.assert_array_equal(ours[channel], image[..., channel].ravel()[order])


def test_moments_equal_opencvs(grey):
    found = [function(grey.batch) for function in (moments, central_moments, normalised_moments)]
    for place, image in enumerate(grey.arrays):
        theirs = cv2.moments(image)
        scale = theirs["m00"] * 122**3
        for p, q in ORDERS:
            raw, central, normalised = (each[place, 0, p, q].item() for each in found)
            assert raw == pytest.approx(theirs[f"m{p}{q}"], rel=1e-9)
            if p + q > 1:
                assert central == pytest.approx(theirs[f"mu{p}{q}"], rel=1e-6, abs=1e-9 * scale)
                assert normalised == pytest.approx(theirs[f"nu{p}{q}"], rel=1e-6, abs=1e-12)
        np.testing.assert_allclose(hu_moments(grey.batch)[place, 0], cv2.HuMoments(theirs).ravel(), rtol=1e-6)


def test_hu_moments_stay_when_an_image_turns_and_grows(colour8):
    batch = colour8.batch
    hu = hu_moments(batch)
    torch.testing.assert_close(hu_moments(batch.transpose(-2, -1).flip(-1)), hu)
    mirrored = hu_moments(batch.flip(-1))
    torch.testing.assert_close(mirrored[..., :6], hu[..., :6])
    torch.testing.assert_close(mirrored[..., 6], -hu[..., 6])


def chains(contours):
    """Each closed chain from its least point on; of several such ways round the least."""
    found = []
    for contour in contours:
        points = [tuple(point) for point in contour.reshape(-1, 2).tolist()]
        least = min(points)
        found.append(min(points[k:] + points[:k] for k, point in enumerate(points) if point == least))
    return sorted(found)


def opencv(mask):
    return cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]


def test_contours_of_photographs_equal_opencvs():
    masks = np.stack([data.coins()[:160, :200] > 110, data.text()[:160, :200] > 120])
    for ours, mask in zip(find_contours(torch.from_numpy(masks)[:, None]), masks, strict=True):
        assert chains(ours) == chains(opencv(mask))
        assert len(ours) > 50


@given(arrays(np.bool_, st.tuples(st.integers(1, 8), st.integers(1, 8))))
@settings(max_examples=300)
def test_contours_of_anything_equal_opencvs(mask):
    assert chains(find_contours(torch.from_numpy(mask)[None, None])[0]) == chains(opencv(mask))


def test_what_cannot_be_is_said():
    with pytest.raises(ValueError, match="5 greatest of 4 pixels"):
        top(torch.zeros(1, 1, 2, 2), 5)
    with pytest.raises(ValueError, match="N x 1 x height x width"):
        find_contours(torch.zeros(1, 3, 2, 2))
