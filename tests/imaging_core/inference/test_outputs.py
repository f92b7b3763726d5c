"""Output files against Pillow, scikit-image and tifffile."""

import io

import numpy as np
import pytest
import skimage.io
import tifffile
from PIL import Image

from imaging_core.inference.outputs import to_png, to_tiff


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
