"""Output files against Pillow, scikit-image, tifffile and nibabel."""

import gzip
import io

import nibabel
import numpy as np
import pytest
import skimage.io
import tifffile
from PIL import Image

from imaging_core.inference.outputs import to_nifti, to_png, to_tiff


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (123, 77)])
def test_png_files_hold_the_values(shape):
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for pixels in (values, (values > 200).astype(np.uint8) * 255, values[::-1]):
        data = to_png(pixels)
        image = Image.open(io.BytesIO(data))
        assert (image.mode, image.info) == ("L", {})
        assert (np.array(image) == pixels).all()
        assert (skimage.io.imread(io.BytesIO(data)) == pixels).all()
        assert to_png(pixels) == data
    assert to_png(values > 200) == to_png((values > 200).astype(np.uint8) * 255)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("pages", [1, 2, 3, 4])
def test_tiff_files_hold_one_page_per_class(dtype, pages):
    values = (np.random.default_rng(0).random((pages, 9, 7)) * 255).astype(dtype)
    data = to_tiff(values)
    file = tifffile.TiffFile(io.BytesIO(data))
    assert len(file.pages) == pages
    assert all((file.pages[page].asarray() == values[page]).all() for page in range(pages))
    assert Image.open(io.BytesIO(data)).n_frames == pages
    assert to_tiff(values) == data
    assert not {"DateTime", "Software", "ImageDescription"} & {tag.name for tag in file.pages[0].tags}


SHEARED = np.array([[0.5, 0, 2, 1], [0, 3, 0, -4], [1, 0, 0.5, 9], [0, 0, 0, 1.0]])
UPRIGHT = np.array([[0, 0, -2, 1], [0, 3, 0, -4], [1, 0, 0, 9], [0, 0, 0, 1.0]])


@pytest.mark.parametrize("affine", [UPRIGHT, SHEARED, None])
@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3, 4, 5)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_nifti_holds_the_voxels_and_where_they_lie(affine, shape, dtype):
    values = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    data = to_nifti(values, affine)
    assert data == to_nifti(np.asfortranarray(values), affine)
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(data))
    assert image.get_data_dtype() == dtype
    assert np.array_equal(np.asanyarray(image.dataobj), values.transpose(2, 1, 0, *range(3, values.ndim)))
    if affine is not None:
        np.testing.assert_allclose(image.affine, affine[:, [2, 1, 0, 3]], rtol=1e-6)
        steps = np.linalg.norm(affine[:3, [2, 1, 0]], axis=0)
        assert image.header.get_zooms()[:3] == pytest.approx(steps)
    assert (int(image.header["qform_code"]) > 0) == (affine is UPRIGHT)
    assert (int(image.header["sform_code"]) > 0) == (affine is not None)
    assert image.header.get_xyzt_units()[0] == "mm"


def test_a_side_that_nifti_1_cannot_say_makes_it_nifti_2():
    data = gzip.decompress(to_nifti(np.ones((1, 1, 40_000), np.uint8), UPRIGHT))
    image = nibabel.Nifti2Image.from_bytes(data)
    assert image.shape == (40_000, 1, 1)
    assert np.asanyarray(image.dataobj).all()
