"""Pixels that only move: exactly OpenCV's, and identities."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imaging_core.transforms.geometry import (
    below,
    beside,
    centre_crop,
    crop,
    drop_channel,
    flip,
    mirror,
    pad,
    random_crop,
    stack,
    transpose,
)

BORDERS = {
    "constant": cv2.BORDER_CONSTANT,
    "replicate": cv2.BORDER_REPLICATE,
    "reflect": cv2.BORDER_REFLECT,
    "reflect101": cv2.BORDER_REFLECT_101,
    "wrap": cv2.BORDER_WRAP,
}


def test_flip_mirror_and_transpose_equal_opencv(images, same):
    same(flip(images.batch), [cv2.flip(each, 0) for each in images.arrays])
    same(mirror(images.batch), [cv2.flip(each, 1) for each in images.arrays])
    same(transpose(images.batch), [cv2.transpose(each) for each in images.arrays])


@given(st.integers(1, 9), st.integers(1, 9))
def test_twice_is_not_at_all(height, width):
    images = torch.arange(2 * height * width, dtype=torch.int32).to(torch.uint16).view(1, 2, height, width)
    for there_and_back in (flip, mirror, transpose):
        assert torch.equal(there_and_back(there_and_back(images)), images)
    quarter = [images]
    for _ in range(4):
        quarter.append(mirror(transpose(quarter[-1])))
    assert torch.equal(quarter[4], images)
    assert torch.equal(quarter[2], flip(mirror(images)))


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("sides", [(1, 2, 3, 4), (0, 0, 7, 0), (150, 110, 130, 260)], ids=str)
def test_pad_equals_opencv_however_wide(images, same, border, sides):
    value = images.largest / 2 if images.largest == 1 else images.largest // 2
    expected = [cv2.copyMakeBorder(each, *sides, BORDERS[border], value=[value] * 4) for each in images.arrays]
    same(pad(images.batch, sides, border, value), expected)


@given(st.integers(1, 5), st.integers(1, 5), st.sampled_from(list(BORDERS)))
def test_pad_equals_opencv_for_tiny_images(height, width, border):
    image = np.arange(height * width, dtype=np.uint8).reshape(height, width)
    expected = cv2.copyMakeBorder(image, 7, 8, 9, 6, BORDERS[border], value=200)
    np.testing.assert_array_equal(pad(torch.from_numpy(image)[None, None], (7, 8, 9, 6), border, 200)[0, 0], expected)


def test_crops(images):
    batch = images.batch
    assert torch.equal(crop(batch, 3, 5, (10, 20)), batch[..., 3:13, 5:25])
    assert torch.equal(centre_crop(batch, (96, 61)), batch[..., 0:96, 30:91])
    for wrong in ((-1, 0, (2, 2)), (0, 100, (3, 23)), (0, 0, (0, 3))):
        with pytest.raises(ValueError, match="does not fit into 97 x 122"):
            crop(batch, *wrong)


def test_random_crops_are_parts_of_the_image_at_every_place_and_of_masks_the_same():
    images = torch.arange(12, dtype=torch.uint8).view(1, 1, 3, 4).expand(400, 1, 3, 4)
    parts, masks = random_crop(images, (2, 3), generator=torch.Generator().manual_seed(0), masks=images + 100)
    assert set(parts[:, 0, 0, 0].tolist()) == {0, 1, 4, 5}
    assert torch.equal(parts - parts[:, :, :1, :1], images[:, :, :2, :3])
    assert torch.equal(masks, parts + 100)
    again, _ = random_crop(images, (2, 3), generator=torch.Generator().manual_seed(0))
    assert torch.equal(parts, again)
    with pytest.raises(ValueError, match="pad the images first"):
        random_crop(images, (4, 4))


def test_joins_equal_opencv(images, same):
    other = [each[:, :40].copy() for each in images.arrays]
    same(beside([images.batch, images.batch[..., :40]]), list(map(cv2.hconcat, zip(images.arrays, other, strict=True))))
    other = [each[:30].copy() for each in images.arrays]
    same(
        below([images.batch, images.batch[..., :30, :]]), list(map(cv2.vconcat, zip(images.arrays, other, strict=True)))
    )
    same(stack([images.batch, images.batch]), [np.concatenate([each, each], axis=-1) for each in images.arrays])


def test_only_grey_images_lose_their_channel():
    assert drop_channel(torch.zeros(5, 1, 2, 3)).shape == (5, 2, 3)
    with pytest.raises(ValueError, match="3 channels"):
        drop_channel(torch.zeros(5, 3, 2, 3))


def test_what_cannot_be_is_said():
    with pytest.raises(ValueError, match=r"no border 'mirror'.*replicate, reflect"):
        pad(torch.zeros(1, 1, 2, 2), (1, 1, 1, 1), "mirror")
    with pytest.raises(ValueError, match="crop instead"):
        pad(torch.zeros(1, 1, 2, 2), (1, -1, 1, 1))
