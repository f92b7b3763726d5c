"""Preprocessing as cards say, against PyTorch and OpenCV's geometry as scikit-image has it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.transform import resize as skimage_resize
from torch.nn import functional

from imaging_core.inference.preprocess import Preprocess
from imaging_core.models.card import Input

CPU = torch.device("cpu")


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)


@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic", "area"])
def test_every_method_is_pytorchs(pixels, method):
    prepared = Preprocess(Input(height=32, width=24, channels=3, resize=method), CPU)(torch.from_numpy(pixels)[None])[0]
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    options = {"align_corners": False} if method in ("bilinear", "bicubic") else {}
    assert torch.equal(prepared, functional.interpolate(image, (32, 24), mode=method, **options)[0] / 255)


@given(st.integers(40, 700), st.integers(30, 90), st.integers(5, 33), st.sampled_from(["nearest", "bilinear"]))
@settings(max_examples=60)
def test_shrinking_much_gives_the_same_bits_as_converting_everything(height, width, rows, method):
    random = np.random.default_rng(height)
    prepare = Preprocess(Input(height=rows, width=24, channels=3, resize=method), CPU)
    for _ in range(2):  # what an image leaves behind must not show in the next one
        pixels = torch.from_numpy(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
        image = pixels.permute(2, 0, 1)[None].float()
        assert torch.equal(prepare(pixels[None])[0], functional.interpolate(image, (rows, 24), mode=method)[0] / 255)


@pytest.mark.parametrize("size", [(2000, 3008), (1936, 2592), (4000, 1000)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_large_images_too(size, dtype):
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (*size, 1)).astype(dtype))
    prepared = Preprocess(Input(height=192, width=192, channels=1, scaling="none"), CPU)(pixels[None])[0]
    image = pixels.permute(2, 0, 1)[None].float()
    assert torch.equal(prepared, functional.interpolate(image, (192, 192), mode="bilinear")[0])


@pytest.mark.parametrize("size", [(50, 70), (32, 24)])
@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic", "area"])
def test_neighbours_change_no_bit(size, method):
    random = np.random.default_rng(1)
    block = torch.from_numpy(random.integers(0, 256, (5, 50, 70, 3), dtype=np.uint8))
    card = Input(height=size[0], width=size[1], channels=3, resize=method, mean=(0.1, 0.2, 0.3), std=(0.3, 0.7, 0.9))
    prepare = Preprocess(card, CPU)
    alone = [prepare(each[None])[0] for each in block]
    assert all(torch.equal(one, other) for one, other in zip(prepare(block), alone, strict=True))


def test_bilinear_has_the_geometry_of_scikit_image(pixels):
    prepared = Preprocess(Input(height=32, width=24, channels=3), CPU)(torch.from_numpy(pixels)[None])[0]
    reference = skimage_resize(pixels / 255, (32, 24), order=1, anti_aliasing=False, mode="edge")
    np.testing.assert_allclose(prepared.permute(1, 2, 0).numpy(), reference, atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "scaling", "divisor"),
    [
        (np.uint8, "unit", 255),
        (np.uint16, "unit", 65535),
        (np.float32, "unit", 1),
        (np.uint8, "none", 1),
        (np.uint16, 1000.0, 1000),
    ],
)
def test_scaling_follows_the_type(pixels, dtype, scaling, divisor):
    typed = pixels.astype(dtype)
    prepared = Preprocess(Input(height=50, width=70, channels=3, scaling=scaling), CPU)(torch.from_numpy(typed)[None])[
        0
    ]
    np.testing.assert_allclose(prepared.permute(1, 2, 0).numpy(), pixels / divisor, rtol=1e-6)


def test_mean_and_deviation_are_per_channel(pixels):
    card = Input(height=50, width=70, channels=3, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2))
    prepared = Preprocess(card, CPU)(torch.from_numpy(pixels)[None])[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(prepared, (pixels / 255 - [0.1, 0.2, 0.3]) / [0.5, 0.25, 2], atol=1e-5)


@pytest.mark.parametrize("dtype", [np.int16, np.uint16])
def test_clipped_values_are_spread_over_their_range(dtype):
    values = np.array([[-2000, -1000, -300, 400, 3000]]).astype(dtype)[:, :, None]
    typed = torch.from_numpy(values.astype(np.float32) if dtype == np.int16 else values)
    seen = {"height": 1, "width": 5, "channels": 1, "clip": (-1000, 400)}
    spread, kept = (Preprocess(Input(**seen, scaling=scaling), CPU)(typed[None])[0, 0] for scaling in ("unit", "none"))
    clipped = np.clip(values[:, :, 0].astype(np.float32), -1000, 400)
    np.testing.assert_allclose(kept.numpy(), clipped)
    np.testing.assert_allclose(spread.numpy(), (clipped + 1000) / 1400, rtol=1e-6)
