"""Connected components against OpenCV, SciPy and scikit-image, exactly, by both ways of finding them."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage import data
from skimage import measure as skimage_measure

from imaging_core.transforms.components import label, label_by_spreading, measure

WAYS = [label, label_by_spreading]
MASKS = arrays(np.bool_, st.tuples(st.just(2), st.integers(1, 9), st.integers(1, 9)))
VOLUMES = arrays(np.bool_, st.tuples(st.just(2), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5)))


@pytest.fixture(scope="module")
def masks():
    """Coins, and the many holes and specks of a text."""
    return np.stack([data.coins()[:160, :200] > 110, data.text()[:160, :200] > 120])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("corners", [True, False])
def test_labels_equal_opencvs(masks, way, corners):
    labels, counts = way(torch.from_numpy(masks), corners=corners)
    for mask, ours, count in zip(masks, labels, counts, strict=True):
        found, theirs = cv2.connectedComponentsWithAlgorithm(
            mask.astype(np.uint8), 8 if corners else 4, cv2.CV_32S, cv2.CCL_WU
        )
        np.testing.assert_array_equal(ours, theirs)
        assert count == found - 1 > 10


@pytest.mark.parametrize("way", WAYS)
@given(MASKS, st.booleans())
@settings(max_examples=60)
def test_labels_equal_scikit_images(way, masks, corners):
    labels, counts = way(torch.from_numpy(masks), corners=corners)
    for mask, ours, count in zip(masks, labels, counts, strict=True):
        theirs, found = skimage_measure.label(mask, connectivity=2 if corners else 1, return_num=True)
        np.testing.assert_array_equal(ours, theirs)
        assert count == found


@pytest.mark.parametrize("way", WAYS)
@given(VOLUMES, st.booleans())
@settings(max_examples=60)
def test_labels_of_volumes_equal_scikit_images(way, volumes, corners):
    labels, _ = way(torch.from_numpy(volumes), 3, corners=corners)
    for volume, ours in zip(volumes, labels, strict=True):
        np.testing.assert_array_equal(ours, skimage_measure.label(volume, connectivity=3 if corners else 1))


@pytest.mark.parametrize("way", WAYS)
def test_a_spiral_is_one_component(way):
    mask = torch.zeros(41, 41, dtype=torch.bool)
    for ring in range(0, 20, 2):
        mask[ring, ring : 41 - ring] = mask[ring : 41 - ring, 40 - ring] = True
        mask[40 - ring, ring : 41 - ring] = mask[ring + 2 : 41 - ring, ring] = True
        mask[ring + 2, ring : ring + 2] = True
    assert way(mask, corners=False)[1] == 1


def test_measures_equal_opencvs(masks):
    labels, counts = label(torch.from_numpy(masks))
    measured = measure(labels, int(counts.max()))
    for place, mask in enumerate(masks):
        _, theirs, stats, centres = cv2.connectedComponentsWithStatsWithAlgorithm(
            mask.astype(np.uint8), 8, cv2.CV_32S, cv2.CCL_WU
        )
        count = int(theirs.max()) + 1
        low, extent = (each[place, :count].numpy() for each in (measured.low, measured.extent))
        ours = np.column_stack([low[:, ::-1], extent[:, ::-1], measured.area[place, :count].numpy()])
        np.testing.assert_array_equal(ours, stats)
        np.testing.assert_allclose(measured.centre[place, :count].numpy()[:, ::-1], centres, rtol=1e-12)
        assert measured.area[place, count:].sum() == 0


def test_measures_of_volumes_equal_scipys():
    volume = np.stack([data.cell()[:40, :50] > level for level in range(20, 100, 10)])
    labels, count = label(torch.from_numpy(volume), 3)
    measured = measure(labels, int(count), 3)
    centres = ndimage.center_of_mass(volume, labels.numpy(), range(1, int(count) + 1))
    np.testing.assert_allclose(measured.centre[1:], centres, rtol=1e-12)
    boxes = [[(s.start, s.stop - s.start) for s in box] for box in ndimage.find_objects(labels.numpy())]
    np.testing.assert_array_equal(torch.stack([measured.low, measured.extent], -1)[1:], boxes)


def test_what_cannot_be_is_said():
    with pytest.raises(ValueError, match="asked: 4 of 5"):
        label(torch.zeros(1, 1, 1, 1, 1), 4)
