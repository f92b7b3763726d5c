"""TIFF as tifffile and Pillow write it: types, layouts, compressions, pages."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps
from skimage.color import rgb2gray

from imaging_core.decode.case import CaseError


def tiff(pixels, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **{"metadata": None, **options})
    return file.getvalue()


@pytest.fixture
def rng():
    return np.random.default_rng(1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits", "zstd"])
def test_types_layouts_and_lossless_compressions(decode, colour, dtype, planar, compression):
    pixels = colour.astype(dtype) * dtype(1.25 if dtype == np.float32 else 200 if dtype == np.uint16 else 1)
    stored = pixels if planar == "contig" else np.moveaxis(pixels, -1, 0)
    data = tiff(stored, photometric="rgb", planarconfig=planar, compression=compression)
    assert decode(data).dtype == dtype
    assert (decode(data) == pixels).all()


@pytest.mark.parametrize("options", [{"tile": (32, 48)}, {"rowsperstrip": 7}, {"bigtiff": True}, {"byteorder": ">"}])
def test_tiles_strips_and_byte_orders(decode, rng, options):
    pixels = rng.integers(0, 65536, (70, 90), dtype=np.uint16)
    decoded = decode(tiff(pixels, **options), channels=1)
    assert decoded.dtype == np.uint16
    assert decoded.dtype.isnative
    assert (decoded[:, :, 0] == pixels).all()


def test_jpeg_inside_tiff(decode, colour):
    data = tiff(colour, photometric="rgb", compression="jpeg", compressionargs={"level": 95})
    assert (decode(data) == tifffile.imread(io.BytesIO(data))).all()
    assert np.abs(decode(data).astype(int) - colour).mean() < 4


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float64, np.float16])
def test_other_types_keep_their_values_as_float32(decode, dtype):
    pixels = np.arange(-6, 6).reshape(3, 4).astype(dtype)
    decoded = decode(tiff(pixels), channels=1)
    assert decoded.dtype == np.float32
    assert (decoded[:, :, 0] == pixels).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_a_value_that_no_model_can_take_is_a_failure(decode, value):
    with pytest.raises(CaseError) as failure:
        decode(tiff(np.array([[0.0, value]])), channels=1)
    assert failure.value.kind == "not_finite"


def test_pages_are_planes(decode, rng):
    pixels = rng.integers(0, 256, (5, 20, 30), dtype=np.uint8)
    assert (decode(tiff(pixels, photometric="minisblack"), channels=5) == np.moveaxis(pixels, 0, -1)).all()
    assert (decode(tiff(pixels[:3], photometric="minisblack")) == np.moveaxis(pixels[:3], 0, -1)).all()


def test_a_stack_of_imagej_is_its_planes(decode, rng):
    pixels = rng.integers(0, 65536, (4, 20, 30), dtype=np.uint16)
    data = tiff(pixels, imagej=True, metadata={"axes": "ZYX"}, truncate=True)
    assert len(tifffile.TiffFile(io.BytesIO(data)).pages) == 1  # one directory, four planes
    assert (decode(data, channels=4) == np.moveaxis(pixels, 0, -1)).all()
    with pytest.raises(CaseError, match="truncated"):
        decode(data[:-10], channels=4)


def test_real_pages(decode, photographs):
    data = (photographs / "multipage.tif").read_bytes()
    assert (decode(data, channels=2) == np.moveaxis(tifffile.imread(io.BytesIO(data)), 0, -1)).all()


def test_bands_beyond_three_are_planes(decode, rng):
    pixels = rng.integers(0, 256, (9, 8, 5), dtype=np.uint8)
    assert (decode(tiff(pixels, photometric="minisblack", planarconfig="contig"), channels=5) == pixels).all()


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
def test_alpha_is_dropped(decode, rng, kind):
    pixels = rng.integers(0, 256, (9, 8, 4), dtype=np.uint8)
    assert (decode(tiff(pixels, photometric="rgb", extrasamples=[kind])) == pixels[:, :, :3]).all()


def test_reduced_copies_are_left_out(decode, colour):
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(colour, photometric="rgb", metadata=None)
        writer.write(colour[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
    assert (decode(file.getvalue()) == colour).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK"])
def test_files_of_pillow(decode, encoded, colour, mode):
    image = Image.fromarray(colour).convert(mode)
    assert (decode(encoded(image, "TIFF")) == np.asarray(image.convert("RGB"))).all()


@pytest.mark.parametrize("compression", ["group4", "group3", "tiff_ccitt"])
def test_fax_compressions(decode, encoded, colour, compression):
    image = Image.fromarray(colour).convert("1")
    data = encoded(image, "TIFF", compression=compression)
    assert (decode(data, channels=1)[:, :, 0] == np.asarray(image.convert("L"))).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_as_zero_is_turned_round(decode, dtype):
    pixels = np.array([[0, 1, np.iinfo(dtype).max]], dtype)
    data = tiff(pixels, photometric="miniswhite")
    assert decode(data, channels=1).ravel().tolist() == [np.iinfo(dtype).max, np.iinfo(dtype).max - 1, 0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(decode, encoded, colour, orientation):
    data = encoded(colour, "TIFF", tiffinfo={274: orientation})
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert (decode(data) == np.asarray(expected)).all()


def test_grey_of_floats_is_the_601_mean(decode, rng):
    pixels = rng.random((9, 8, 3), dtype=np.float32)
    grey = decode(tiff(pixels, photometric="rgb"), channels=1)[:, :, 0]
    np.testing.assert_allclose(grey, pixels @ np.float32([0.299, 0.587, 0.114]), rtol=1e-6)
    assert np.abs(grey - rgb2gray(pixels)).max() < 0.15  # scikit-image weighs by BT.709: near, not the same


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"compression": "jpeg"}, {"tile": (16, 16)}])
def test_a_truncated_file_is_refused(decode, colour, options):
    data = tiff(colour, photometric="rgb", **options)
    assert decode(data).shape == colour.shape
    for kept in (12, len(data) // 2, len(data) - 4):
        with pytest.raises(CaseError) as failure:
            decode(data[:kept])
        assert failure.value.kind == "unreadable"


def test_pages_of_different_sizes_are_refused(decode):
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(np.zeros((4, 4), np.uint8), metadata=None)
        writer.write(np.zeros((4, 5), np.uint8), metadata=None)
    with pytest.raises(CaseError, match="different sizes"):
        decode(file.getvalue(), channels=2)
