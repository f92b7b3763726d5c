"""Thresholds against OpenCV, scikit-image and NumPy: all exact."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.filters import threshold_multiotsu

from imaging_core.transforms.threshold import multi_otsu, multi_threshold, otsu, threshold


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("share", [0, 0.4, 1])
def test_threshold_equals_opencv(images, same, inverse, share):
    limit = share if images.largest == 1 else int(share * images.largest)
    top = 0.5 if images.largest == 1 else 200
    kind = cv2.THRESH_BINARY_INV if inverse else cv2.THRESH_BINARY
    expected = [cv2.threshold(each, limit, top, kind)[1] for each in images.arrays]
    same(threshold(images.batch, limit, top, inverse=inverse), expected)


def test_white_is_the_default(images):
    for limit in (-1, -0.5):
        assert threshold(images.batch, limit).eq(images.batch.new_full((), images.largest)).all()


@pytest.mark.parametrize("beyond", [0.0, 0.5, 1, 70000])
def test_nothing_exceeds_what_no_pixel_can(images, beyond):
    assert threshold(images.batch, images.largest + beyond).eq(images.batch.new_zeros(())).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_otsu_equals_opencv_in_each_channel(photographs, dtype):
    arrays = [each.astype(dtype) * (1 if dtype == np.uint8 else 257) for each in photographs]
    found = otsu(torch.stack([torch.from_numpy(each.transpose(2, 0, 1).copy()) for each in arrays]))
    for image, thresholds in zip(arrays, found, strict=True):
        for channel, ours in enumerate(thresholds.flatten().tolist()):
            assert ours == cv2.threshold(image[..., channel].copy(), 0, 1, cv2.THRESH_OTSU)[0]


def test_otsu_feeds_threshold(colour8, same):
    batch = colour8.batch
    expected = [
        np.stack([cv2.threshold(plane.copy(), 0, 255, cv2.THRESH_OTSU)[1] for plane in np.moveaxis(each, -1, 0)], -1)
        for each in colour8.arrays
    ]
    same(threshold(batch, otsu(batch)), expected)


@given(st.lists(st.integers(0, 255), min_size=2, max_size=30))
def test_otsu_is_the_best_of_all(values):
    pixels = np.array(values)

    def between(limit):
        dark, bright = pixels[pixels <= limit], pixels[pixels > limit]
        return len(dark) * len(bright) * (dark.mean() - bright.mean()) ** 2 if len(dark) and len(bright) else 0

    found = otsu(torch.tensor(values, dtype=torch.uint8).view(1, 1, 1, -1)).item()
    assert between(found) >= max(map(between, range(256))) * (1 - 1e-12)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_multi_otsu_equals_scikit_image(photographs, count):
    found = multi_otsu(torch.stack([torch.from_numpy(each.transpose(2, 0, 1).copy()) for each in photographs]), count)
    for image, channels in zip(photographs, found, strict=True):
        for channel, ours in enumerate(channels):
            assert ours.tolist() == threshold_multiotsu(image[..., channel], classes=count + 1).tolist()


@given(st.integers(0, 10**6), st.floats(10, 60))
@settings(max_examples=20, deadline=None)
def test_multi_otsu_is_at_least_as_good_as_scikit_images(seed, spread):
    image = np.random.default_rng(seed).normal(128, spread, (40, 50)).clip(0, 255).astype(np.uint8)

    def between(limits):
        classes = np.digitize(image, limits, right=True)
        return sum(image[classes == k].sum(dtype=float) ** 2 / (classes == k).sum() for k in np.unique(classes))

    ours = multi_otsu(torch.from_numpy(image)[None, None], 3)[0, 0].numpy()
    assert between(ours) >= between(threshold_multiotsu(image, classes=4)) * (1 - 1e-12)


@given(st.lists(st.integers(0, 255), min_size=1, max_size=4, unique=True))
@settings(max_examples=20)
def test_multi_threshold_equals_digitize(limits):
    values = np.arange(256, dtype=np.uint8)
    greys = np.array([int(i * 255 / len(limits)) for i in range(len(limits) + 1)])
    ours = multi_threshold(torch.from_numpy(values).view(1, 1, 16, 16), sorted(limits))
    assert ours.flatten().tolist() == greys[np.digitize(values, sorted(limits), right=True)].tolist()


def test_multi_threshold_of_one_limit_is_a_threshold(images):
    limit = images.largest / 3
    assert torch.equal(multi_threshold(images.batch, [limit]), threshold(images.batch, limit))


def test_what_cannot_be_is_said():
    with pytest.raises(ValueError, match="ascending"):
        multi_threshold(torch.zeros(1, 1, 2, 2), [3, 2])
    with pytest.raises(ValueError, match="uint8 or uint16"):
        otsu(torch.zeros(1, 1, 2, 2))
    with pytest.raises(ValueError, match=r"asked: 0 of torch.uint8"):
        multi_otsu(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), 0)
