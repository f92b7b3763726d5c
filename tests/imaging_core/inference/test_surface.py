"""Surface distances against a reference in plain Python and against distance transforms, in one to three dimensions."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from imaging_core.inference.surface import border, compare_surfaces
from tests.imaging_core.inference.surfaces import border_of, reference

DENSITIES = st.sampled_from([0.0, 0.03, 0.3, 0.6, 0.95, 1.0])
SPACINGS = st.floats(0.1, 10)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Two masks of one to three axes: empty, single pixels, noise, full, and smooth ones."""
    shape = draw(st.lists(st.integers(1, 9), min_size=1, max_size=3))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    masks = [random.random(shape) < draw(DENSITIES) for _ in range(2)]
    if draw(st.booleans()):
        masks = [ndimage.binary_closing(mask) for mask in masks]
    return masks[0], masks[1]


def squares(shift: int, size: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """A square of 8 x 8, and the same some columns further right."""
    masks = np.zeros((2, size, size), dtype=bool)
    masks[0, 4:12, 2:10] = True
    masks[1, 4:12, 2 + shift : 10 + shift] = True
    return masks[0], masks[1]


@given(pairs(), st.floats(0, 5), st.data())
@settings(max_examples=150, deadline=None)
def test_equal_the_reference(pair, tolerance, data):
    spacing = data.draw(st.none() | st.tuples(*[SPACINGS] * pair[0].ndim))
    found = compare_surfaces(*pair, tolerance, spacing)
    hd95, assd, within, of = reference(*pair, tolerance, spacing)
    assert (found.within, found.of) == (within, of)
    if hd95 is None:
        assert (found.hd95, found.assd) == (None, None)
    else:
        assert (found.hd95, found.assd) == pytest.approx((hd95, assd), abs=1e-9)


@given(pairs())
@settings(max_examples=60, deadline=None)
def test_the_border_is_what_erosion_by_a_cross_takes_away(pair):
    for mask in pair:
        assert (border(mask) == mask & ~ndimage.binary_erosion(mask)).all()
        assert [tuple(point) for point in np.argwhere(border(mask)).tolist()] == border_of(mask)


@pytest.mark.parametrize("shape", [(120, 150), (30, 40, 25)])
@pytest.mark.parametrize("seed", range(3))
def test_equal_distance_transforms_on_organ_like_masks(shape, seed):
    random = np.random.default_rng(seed)
    fields = [ndimage.gaussian_filter(random.standard_normal(shape), 5) for _ in range(2)]
    mask, truth = fields[0] > 0.02, fields[0] + 0.4 * fields[1] > 0.02
    spacing = (0.7, 1.3, 2.5)[: len(shape)]
    edges = [side & ~ndimage.binary_erosion(side) for side in (mask, truth)]
    directed = [ndimage.distance_transform_edt(~other, sampling=spacing)[edge] for edge, other in (edges, edges[::-1])]
    together = np.concatenate(directed)
    found = compare_surfaces(mask, truth, 2.0, spacing)
    assert found.hd95 == pytest.approx(max(np.percentile(side, 95) for side in directed), abs=1e-9)
    assert found.assd == pytest.approx(together.mean(), abs=1e-9)
    assert found.within / found.of == pytest.approx((together <= 2.0).mean(), abs=1e-9)


@given(pairs(), st.floats(0, 5))
@settings(max_examples=60, deadline=None)
def test_prediction_and_truth_may_change_places(pair, tolerance):
    assert compare_surfaces(*pair, tolerance) == compare_surfaces(*pair[::-1], tolerance)


@given(pairs(), st.floats(0.1, 10))
@settings(max_examples=60, deadline=None)
def test_distances_grow_with_the_spacing(pair, factor):
    assume(pair[0].any() and pair[1].any())
    one = compare_surfaces(*pair, 1.5)
    scaled = compare_surfaces(*pair, 1.5 * factor, (factor,) * pair[0].ndim)
    assert (scaled.hd95, scaled.assd) == pytest.approx((one.hd95 * factor, one.assd * factor), rel=1e-9)
    assert (scaled.within, scaled.of) == (one.within, one.of)


def test_a_square_against_itself_and_a_few_pixels_further():
    for shift in range(4):
        pair = squares(shift)
        found = compare_surfaces(*pair, 1.0)
        assert found.hd95 == shift
        assert (found.assd == 0) == (shift == 0)
        assert (found.within == found.of == 56) == (shift <= 1)


def test_the_tolerance_itself_is_within():
    assert [compare_surfaces(*squares(3), tolerance).within for tolerance in (2.999, 3.0)] == [36, 56]


def test_a_mask_that_touches_the_images_edge_has_a_border_there():
    full = np.ones((5, 7), dtype=bool)
    assert border(full).sum() == 2 * 5 + 2 * 7 - 4
    assert compare_surfaces(full, full, 0.0) == (0.0, 0.0, 40, 40)


@pytest.mark.parametrize("empty", [0, 1])
def test_against_an_empty_mask_there_is_no_distance_and_no_border_within(empty):
    pair = [*squares(0)]
    pair[empty] = np.zeros_like(pair[empty])
    assert compare_surfaces(*pair, 100.0) == (None, None, 0, 28)


def test_two_empty_masks_have_nothing():
    nothing = np.zeros((4, 4), dtype=bool)
    assert compare_surfaces(nothing, nothing, 1.0) == (None, None, 0, 0)


def test_one_stray_pixel_does_not_make_the_distance():
    truth = np.zeros((100, 100), dtype=bool)
    truth[20:60, 20:60] = True
    mask = truth.copy()
    mask[99, 99] = True
    found = compare_surfaces(mask, truth, 1.0)
    assert found.hd95 == 0
    assert found.assd == pytest.approx(np.hypot(40, 40) / (156 + 157), abs=1e-12)
