"""Ground truth: binary by half of the range, class indices as stored, planes of labels."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.mask import decode_mask


def tiff(pixels, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, metadata=None, **options)
    return file.getvalue()


@pytest.fixture
def mask(source):
    return lambda data, kind: decode_mask(source(data), Limits(), kind)


def test_binary_is_true_from_half_of_the_range(mask, encoded):
    values = np.array([[0, 1, 127, 128, 255]], np.uint8)
    assert mask(encoded(values, "PNG"), "binary").tolist() == [[False, False, False, True, True]]
    wide = np.array([[0, 255, 32767, 32768, 65535]], np.uint16)
    assert mask(encoded(wide, "PNG"), "binary").tolist() == [[False, False, False, True, True]]
    floats = np.array([[0, 0.49, 0.5, 1]], np.float32)
    assert mask(tiff(floats), "binary").tolist() == [[False, False, True, True]]


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
def test_binary_masks_of_one_bit_a_palette_or_colours(mask, encoded, form):
    truth = np.eye(6, dtype=bool)
    one_bit = Image.fromarray(truth)
    palette = Image.fromarray(truth.astype(np.uint8), "P")
    palette.putpalette([0, 0, 0, 255, 255, 255])
    rgb = one_bit.convert("RGB")
    for image in (one_bit, palette, rgb):
        assert (mask(encoded(image, form), "binary") == truth).all()


@pytest.mark.parametrize(
    "values",
    [np.eye(4, dtype=np.uint8), np.arange(12, dtype=np.uint8), np.eye(4, dtype=np.uint16) * np.uint16(255)],
    ids=["0 and 1", "class indices", "8 bit in 16"],
)
def test_a_mask_that_is_nearly_black_is_refused_not_read_as_empty(mask, values):
    with pytest.raises(CaseError, match=f"nothing above {values.max()} in {values.dtype}") as failure:
        mask(tiff(values.reshape(4, -1)), "binary")
    assert failure.value.kind == "mask_value"


def test_a_black_mask_and_a_faint_one_are_empty(mask):
    for value in (0, 16, 127):
        assert not mask(tiff(np.full((3, 4), value, np.uint8)), "binary").any()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_class_indices_are_what_is_stored_in_grey_and_palette(mask, bits):
    stored = np.arange(12).reshape(3, 4) % 2**bits
    palette = Image.fromarray(stored.astype(np.uint8), "P")
    palette.putpalette(list(np.random.default_rng(0).integers(0, 256, 3 * 2**bits)))
    file = io.BytesIO()
    palette.save(file, "PNG", bits=bits)
    assert (mask(file.getvalue(), "multiclass") == stored).all()


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_class_indices_of_low_bit_greys(mask, png_of_greys, bits):
    stored = np.arange(16).reshape(2, 8) % 2**bits
    assert (mask(png_of_greys(stored, bits), "multiclass") == stored).all()


@pytest.fixture
def png_of_greys():
    def make(stored, bits):
        def chunk(kind, data):
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        height, width = stored.shape
        unpacked = np.unpackbits(stored.astype(np.uint8)[:, :, None], axis=2)[:, :, 8 - bits :].reshape(height, -1)
        rows = b"".join(b"\0" + row.tobytes() for row in np.packbits(unpacked, axis=1))
        header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
        body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
        return b"\x89PNG\r\n\x1a\n" + body

    return make


def test_class_indices_of_grey_stored_as_rgb_and_as_floats(mask, encoded):
    stored = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert (mask(encoded(np.repeat(stored[:, :, None], 3, axis=2), "PNG"), "multiclass") == stored).all()
    assert (mask(tiff(stored.astype(np.float32)), "multiclass") == stored).all()


@pytest.mark.parametrize(
    "pixels", [np.arange(48, dtype=np.uint8).reshape(4, 4, 3), np.full((4, 4), 0.5, np.float32)], ids=["rgb", "half"]
)
def test_values_that_are_no_class_index_are_refused(mask, pixels):
    with pytest.raises(CaseError) as failure:
        mask(tiff(pixels), "multiclass")
    assert failure.value.kind == "mask_value"


def test_multilabel_masks_are_planes(mask, encoded):
    planes = np.random.default_rng(0).random((5, 6, 7)) > 0.5
    data = tiff(planes.astype(np.uint8) * 255, photometric="minisblack")
    assert (mask(data, "multilabel") == planes).all()
    assert (mask(encoded(np.moveaxis(planes[:3], 0, -1) * np.uint8(255), "PNG"), "multilabel") == planes[:3]).all()


@pytest.mark.parametrize("data", [b"", b"no mask", b"GIF89a", b"\x89PNG\r\n\x1a\nbroken"])
def test_a_mask_that_cannot_be_read(mask, data):
    with pytest.raises(CaseError) as failure:
        mask(data, "binary")
    assert failure.value.kind == "mask_unreadable"
    assert "mask" in failure.value.reason
