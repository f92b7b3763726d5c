"""Noise: the distributions that it promises, by SciPy's tests; and everything else stays as it was."""

import numpy as np
import pytest
import torch
from scipy import stats

from imaging_core.transforms import noise

SIZE = (2, 3, 120, 130)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(5)


@pytest.mark.parametrize(
    ("function", "distribution"),
    [
        (noise.laplace_noise, stats.laplace(scale=0.3)),
        (noise.gaussian_noise, stats.norm(scale=0.3)),
    ],
)
def test_continuous_noise_has_its_distribution(function, distribution, generator):
    added = function(torch.full(SIZE, 0.5, dtype=torch.float64), 0.3, generator=generator) - 0.5
    assert stats.kstest(added.flatten().numpy(), distribution.cdf).pvalue > 0.01
    for one, other in ((added[0, 0], added[1, 0]), (added[0, 0], added[0, 1])):
        assert abs(np.corrcoef(one.flatten(), other.flatten())[0, 1]) < 0.03


def test_poisson_noise_has_its_distribution(generator):
    added = noise.poisson_noise(torch.full(SIZE, 10, dtype=torch.uint8), 3.5, generator=generator).flatten() - 10
    counts = torch.bincount(added.int(), minlength=12)[:12].numpy()
    expected = stats.poisson(3.5).pmf(np.arange(12))
    assert stats.chisquare(counts, expected / expected.sum() * counts.sum()).pvalue > 0.01


@pytest.mark.parametrize("function", [noise.laplace_noise, noise.gaussian_noise, noise.poisson_noise])
def test_noise_keeps_types_and_ranges_and_follows_its_generator(images, function):
    batch = images.batch
    one, other, third = (
        function(batch, images.largest / 2, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert one.dtype == batch.dtype
    assert torch.equal(one, other)
    assert not torch.equal(one, third)
    if images.largest > 1:
        assert one.to(torch.int32).max() == images.largest


def test_each_image_its_own_amount(generator):
    images = torch.zeros(SIZE)
    noisy = noise.gaussian_noise(images, torch.tensor([0.0, 2.0]), generator=generator)
    assert torch.equal(noisy[0], images[0])
    assert noisy[1].std().item() == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize(("function", "white"), [(noise.salt, 1.0), (noise.pepper, 0.0), (noise.salt_and_pepper, 0.5)])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(("dtype", "largest"), [(torch.uint8, 255), (torch.uint16, 65535), (torch.float32, 1)])
def test_salt_and_pepper(function, white, per_channel, dtype, largest, generator):
    images = torch.full(SIZE, 0.5 if largest == 1 else 77, dtype=torch.float32).to(dtype)
    changed = function(images, 0.2, per_channel=per_channel, generator=generator).double()
    became_white, became_black = changed == largest, changed == 0
    assert torch.equal(changed[~became_white & ~became_black].unique(), images[0, 0, 0, :1].double())
    share = (became_white | became_black).double().mean().item()
    assert share == pytest.approx(0.2, abs=0.01)
    assert (became_white.double().mean() / share).item() == pytest.approx(white, abs=0.02)
    together = torch.equal(changed[:, 0], changed[:, 1]) and torch.equal(changed[:, 0], changed[:, 2])
    assert together != per_channel


@pytest.mark.parametrize("per_channel", [False, True])
def test_coarse_dropout_blackens_cells_of_a_grid(per_channel, generator):
    images = torch.full((40, 3, 60, 50), 9, dtype=torch.uint16)
    dropped = noise.coarse_dropout(images, 0.3, 0.11, per_channel=per_channel, generator=generator) == 0
    corners = dropped[..., ::6, ::5]  # 0.11 of 60 and of 50
    assert torch.equal(corners.repeat_interleave(6, -2).repeat_interleave(5, -1), dropped)
    assert corners.double().mean().item() == pytest.approx(0.1 if per_channel else 0.3, abs=0.02)
    assert torch.equal(dropped[:, 0], dropped[:, 1]) != per_channel


def test_coarse_dropout_of_each_image(generator):
    images = torch.ones(2, 1, 10, 10)
    share, size = torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.01])
    dropped = noise.coarse_dropout(images, share, size, per_channel=torch.tensor([True, False]), generator=generator)
    assert dropped.sum((1, 2, 3)).tolist() == [0, 100]
