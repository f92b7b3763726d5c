"""Where the voxels of volumes lie: any affine is either refused or can be turned into any orientation."""

import itertools

import nibabel
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging_core.decode.volume import DIRECTIONS, Volume, farthest_apart, grid_of, is_regular, laid_like, spacing

ORIENTATIONS = [
    "".join(letters)
    for letters in itertools.product(DIRECTIONS, repeat=3)
    if sorted(DIRECTIONS[letter][0] for letter in letters) == [0, 1, 2]
]
NUMBERS = st.one_of(
    st.floats(-200, 200), st.floats(width=32), st.sampled_from([0.0, 1.0, -1.0, 1e-30, 1e30, 1e-320, 1e308])
)


def test_there_are_as_many_orientations_as_a_cube_has():
    assert len(ORIENTATIONS) == 48


@given(st.lists(NUMBERS, min_size=12, max_size=12), st.sampled_from(ORIENTATIONS))
@settings(max_examples=300, deadline=None)
def test_an_affine_is_refused_or_serves(numbers, orientation):
    affine = np.vstack([np.array(numbers).reshape(3, 4), [0, 0, 0, 1]])
    with np.errstate(all="ignore"):
        if not is_regular(affine):
            return
        grid = grid_of(affine, orientation)
    assert sorted(grid.axes) == [0, 1, 2]
    assert min(spacing(affine)) > 0


@given(st.sampled_from(ORIENTATIONS), st.sampled_from(ORIENTATIONS))
@settings(max_examples=60, deadline=None)
def test_what_is_laid_like_another_is_in_the_same_place(one, other):
    affine = np.array([[0.1, 3, 0.2, 5], [0.3, -0.1, 2, -7], [-1.5, 0.2, 0.1, 11], [0, 0, 0, 1]])
    voxels = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    image = nibabel.Nifti1Image(voxels.astype(np.int32), affine)

    def stored(orientation):
        ornt = nibabel.orientations
        turned = image.as_reoriented(
            ornt.ornt_transform(ornt.io_orientation(affine), ornt.axcodes2ornt(tuple(orientation)))
        )
        return Volume(np.asanyarray(turned.dataobj)[..., None], turned.affine)

    first, second = stored(one), stored(other)
    laid = laid_like(second, first.affine)
    assert np.array_equal(laid.voxels, first.voxels)
    assert farthest_apart(laid.affine, first.affine, first.size) < 1e-9
