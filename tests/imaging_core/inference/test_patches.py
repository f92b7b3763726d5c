"""Patches of volumes: cut, prepared, inferred and blended as MONAI's sliding window does, resampled as PyTorch does."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.inferers import sliding_window_inference
from torch.nn import functional

from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.present import present
from imaging_core.decode.volume import Volume
from imaging_core.inference.blend import Blend
from imaging_core.inference.preprocess import Preprocess
from imaging_core.inference.resample import resized
from imaging_core.models.card import Input

CPU = torch.device("cpu")
SIDE = st.integers(1, 21)
RAS = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], dtype=float)  # slices run to superior, …


def network(patches):
    """Says something else in each place of a patch, so that blending shows."""
    slope = torch.linspace(0, 1, patches[0, 0].numel()).view(patches.shape[2:])
    return torch.sigmoid(torch.cat([patches * slope, patches.flip(2) - 1], 1))


def ours(volume, card, size):
    """Two maps of a volume on its own voxels, in the model's orientation."""
    case = present(volume, 1, card.view, Limits())
    prepare = Preprocess(card, CPU)
    blend = Blend(case.grid.sampled, case.grid.seen_size(size), lambda maps: maps)
    inputs = list(case.inputs)
    assert len(inputs) == case.count
    for each in inputs:
        blend.put(network(prepare(torch.from_numpy(each.pixels)[None], each.sampling))[0], each.place)
    return blend.whole


def monais(voxels, card):
    return sliding_window_inference(voxels, card.size, 1, network, overlap=card.overlap, mode="gaussian")[0]


@given(st.tuples(SIDE, SIDE, SIDE), st.tuples(*[st.integers(1, 9)] * 3), st.sampled_from([0, 0.25, 0.5, 0.8]))
@settings(max_examples=40, deadline=None)
def test_blended_patches_are_monais_sliding_window(size, patch, overlap):
    voxels = np.random.default_rng(1).integers(0, 255, (*size, 1), dtype=np.uint8)
    card = Input(depth=patch[0], height=patch[1], width=patch[2], channels=1, overlap=overlap, mean=[0.3], std=[0.2])
    prepared = (torch.from_numpy(voxels).permute(3, 0, 1, 2)[None] / 255 - 0.3) / 0.2
    torch.testing.assert_close(ours(Volume(voxels, RAS), card, size), monais(prepared, card), atol=1e-5, rtol=0)


@given(st.tuples(SIDE, SIDE, SIDE), st.tuples(*[st.floats(0.4, 3)] * 3))
@settings(max_examples=40, deadline=None)
def test_a_spacing_resamples_there_and_back_as_pytorch_does(size, step):
    own = (1.5, 0.75, 1.0)
    voxels = np.random.default_rng(1).random((*size, 1), dtype=np.float32)
    card = Input(depth=5, height=4, width=6, channels=1, spacing=step)
    volume = Volume(voxels, RAS @ np.diag([*own, 1.0]))
    sampled = [max(1, round(side * a / b)) for side, a, b in zip(size, own, step, strict=True)]
    tensor = torch.from_numpy(voxels).permute(3, 0, 1, 2)[None]
    maps = monais(functional.interpolate(tensor, sampled, mode="trilinear"), card)
    expected = functional.interpolate(maps[None], size, mode="trilinear")[0]
    torch.testing.assert_close(ours(volume, card, size), expected, atol=1e-5, rtol=0)


@given(st.tuples(SIDE, SIDE, SIDE), st.tuples(SIDE, SIDE, SIDE), st.integers(0, 20), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_some_slices_of_a_resampled_map_are_those_of_the_whole(size, wanted, first, count):
    maps = torch.rand(2, *size)
    first = min(first, wanted[0] - 1)
    count = min(count, wanted[0] - first)
    expected = functional.interpolate(maps[None], wanted, mode="trilinear")[0][:, first : first + count]
    torch.testing.assert_close(resized(maps, wanted, first, count), expected, atol=1e-5, rtol=0)
    whole = resized(maps, wanted, 0, wanted[0])
    assert torch.equal(resized(maps, wanted, first, count), whole[:, first : first + count]), "bit for bit"


def test_patches_bring_no_more_voxels_than_they_need():
    voxels = np.zeros((64, 64, 64, 1), np.uint8)
    card = Input(depth=8, height=8, width=8, channels=1, spacing=(2, 2, 2), overlap=0)
    case = present(Volume(voxels, RAS), 1, card.view, Limits())
    assert case.count == 4**3
    assert max(each.pixels.size for each in case.inputs) <= 17**3


@pytest.mark.parametrize(
    ("volume", "spacing", "kind", "words"),
    [
        (Volume(np.zeros((2, 2, 2, 1), np.uint8), None), (1, 1, 1), "unsupported", "does not say its own"),
        (Volume(np.zeros((9, 9, 9, 1), np.uint8), RAS * 1e6), (1, 1, 1), "too_large", "--max-pixels"),
        (Volume(np.zeros((9, 9, 9, 1), np.uint8), RAS * 1e100), (1e-9, 1e-9, 1e-9), "too_large", "--max-pixels"),
    ],
)
def test_what_cannot_be_resampled_is_refused(volume, spacing, kind, words):
    card = Input(depth=4, height=4, width=4, channels=1, spacing=spacing)
    with pytest.raises(CaseError, match=words) as caught:
        present(volume, 1, card.view, Limits())
    assert caught.value.kind == kind
