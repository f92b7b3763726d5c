"""Surface distances equal MONAI's, whose conventions they follow; it computes in float32.

MONAI takes 11 s to import, so nothing else does.
"""

from types import ModuleType

import numpy as np
import pytest
import torch
from scipy import ndimage

from imaging_core.inference.surface import compare_surfaces

TOLERANCES = (0.0, 1.55, 4.05)
"""No sums of the spacings below but 0, so that rounding to float32 puts no distance on the other side."""

FLOAT32 = 5e-6
"""Interpolated percentiles, and means of thousands of distances, lose a digit."""


@pytest.fixture(scope="module")
def monai() -> ModuleType:
    import monai.metrics

    return monai.metrics


def organs(shape: tuple[int, ...], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Smooth shapes, some of which touch the image's edge, and the same with a border that strays and some specks."""
    random = np.random.default_rng(seed)
    fields = [ndimage.gaussian_filter(random.standard_normal(shape), 3) for _ in range(2)]
    truth = fields[0] > 0.03
    return (fields[0] + 0.4 * fields[1] > 0.03) ^ (random.random(shape) < 0.002), truth


def one_hot(mask: np.ndarray) -> torch.Tensor:
    """1 x 2 x spatial, float32: background and mask."""
    return torch.from_numpy(np.stack([~mask, mask])[np.newaxis].astype(np.float32))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("shape", "spacing"),
    [((60, 45), None), ((60, 45), (0.7, 2.3)), ((30, 26, 14), None), ((30, 26, 14), (0.9, 0.6, 3.1))],
)
def test_equal_monai(monai, shape, spacing, seed):
    mask, truth = organs(shape, seed)
    assert mask.any()
    assert truth.any()
    pair, options = (one_hot(mask), one_hot(truth)), {"include_background": False, "spacing": spacing}
    hd95 = monai.compute_hausdorff_distance(*pair, percentile=95, **options).item()
    assd = monai.compute_average_surface_distance(*pair, symmetric=True, **options).item()
    for tolerance in TOLERANCES:
        found = compare_surfaces(mask, truth, tolerance, spacing)
        assert (found.hd95, found.assd) == pytest.approx((hd95, assd), rel=FLOAT32)
        nsd = monai.compute_surface_dice(*pair, class_thresholds=[tolerance], **options).item()
        assert found.within / found.of == pytest.approx(nsd, rel=FLOAT32)


def test_each_axis_has_its_own_spacing(monai):
    truth, mask = np.zeros((2, 30, 30), dtype=bool)
    truth[5:15, 5:15] = mask[8:18, 5:15] = True
    for spacing in ((2.0, 0.5), (0.5, 2.0)):
        options = {"include_background": False, "percentile": 95, "spacing": spacing}
        theirs = monai.compute_hausdorff_distance(one_hot(mask), one_hot(truth), **options).item()
        assert compare_surfaces(mask, truth, 1.0, spacing).hd95 == pytest.approx(theirs, rel=FLOAT32)
    assert compare_surfaces(mask, truth, 1.0, (2.0, 0.5)) != compare_surfaces(mask, truth, 1.0, (0.5, 2.0))


def test_where_one_side_is_empty_monai_has_no_distance_either(monai):
    truth = organs((40, 40), 0)[1]
    nothing = np.zeros_like(truth)
    assert compare_surfaces(nothing, truth, 1.0).hd95 is None
    with pytest.warns(UserWarning, match="prediction of class"):
        theirs = monai.compute_hausdorff_distance(one_hot(nothing), one_hot(truth), include_background=False)
    assert not np.isfinite(theirs.item())
