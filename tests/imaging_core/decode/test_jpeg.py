"""JPEG against Pillow."""

import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageOps

from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.registry import decode_sample


def by_pillow(data, mode):
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert(mode))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}])
def test_colour_has_the_pixels_of_pillow(decode, encoded, colour, options):
    data = encoded(colour, "JPEG", quality=80, **options)
    assert (decode(data) == by_pillow(data, "RGB")).all()
    assert (decode(data, channels=1)[:, :, 0] == by_pillow(data, "L")).all()


def test_grey_is_repeated_for_a_model_of_colours(decode, encoded, colour):
    data = encoded(Image.fromarray(colour).convert("L"), "JPEG")
    grey = decode(data, channels=1)
    assert (grey[:, :, 0] == by_pillow(data, "L")).all()
    assert (decode(data) == grey).all()


@pytest.mark.parametrize("name", ["rocket.jpg", "retina.jpg", "hubble_deep_field.jpg"])
def test_real_photographs(decode, photographs, name):
    data = (photographs / name).read_bytes()
    assert (decode(data) == by_pillow(data, "RGB")).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(decode, encoded, colour, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(colour, "JPEG", exif=exif)
    assert (decode(data) == by_pillow(data, "RGB")).all()
    assert decode(data).shape[:2] == (colour.shape[:2] if orientation < 5 else colour.shape[1::-1])


def test_a_damaged_exif_block_turns_nothing(decode, encoded, colour):
    data = encoded(colour, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff broken")
    assert decode(data).shape == colour.shape


def test_cmyk_as_adobe_writes_it_becomes_rgb(decode, encoded, colour):
    data = encoded(Image.fromarray(colour).convert("CMYK"), "JPEG", quality=95)
    assert b"Adobe" in data  # whose values are inverted
    rgb = decode(data)
    assert (rgb == by_pillow(data, "RGB")).all()
    assert np.abs(rgb.astype(int) - colour).mean() < 6  # and it is the picture, not its negative


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.7, 0.99])
def test_a_truncated_file_is_refused(decode, encoded, colour, progressive, kept):
    data = encoded(colour, "JPEG", progressive=progressive)
    with pytest.raises(CaseError) as failure:
        decode(data[: int(len(data) * kept)])
    assert failure.value.kind == "unreadable"
    assert "truncated" in failure.value.reason


def test_the_end_marker_of_an_embedded_thumbnail_does_not_hide_truncation(decode, encoded, colour):
    thumbnail = encoded(colour[::4, ::4], "JPEG")
    data = encoded(colour, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0" + thumbnail)
    assert decode(data).shape == colour.shape
    with pytest.raises(CaseError, match="truncated"):
        decode(data[:-40])


@pytest.mark.parametrize(
    ("encode", "reason"),
    [
        (lambda grey: imagecodecs.jpeg_encode(grey.astype(np.uint16) * 16, bitspersample=12), "12 bits"),
        (lambda grey: imagecodecs.ljpeg_encode(grey.astype(np.uint16) * 16, bitspersample=12), "lossless"),
    ],
    ids=["12 bit", "lossless"],
)
def test_a_whole_file_of_another_kind_is_not_called_damaged(decode, colour, encode, reason):
    with pytest.raises(CaseError, match=reason) as failure:
        decode(encode(np.asarray(Image.fromarray(colour).convert("L"))))
    assert failure.value.kind == "unsupported"


def test_bytes_after_the_end_change_nothing(decode, encoded, colour):
    data = encoded(colour, "JPEG")
    assert (decode(data + b"trailing \xff\xd8 bytes") == decode(data)).all()


@pytest.mark.parametrize(("wanted", "scale"), [((250, 250), 8), ((352, 353), 4), ((353, 353), 4), ((354, 10), 2)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_reduced_image_covers_what_is_wanted_and_keeps_the_size_of_the_file(
    source, encoded, photographs, mode, wanted, scale
):
    picture = Image.open(photographs / "retina.jpg").convert(mode).resize((2824, 2000) if scale == 8 else (1412, 1412))
    data = encoded(picture, "JPEG", quality=95)
    case = decode_sample([source(data)], len(mode), Limits(reduce_to=wanted))
    pixels = next(case.inputs).pixels
    assert case.size == picture.size[::-1]
    assert pixels.shape == (picture.height // scale, picture.width // scale, len(mode))
    shrunk = np.asarray(picture.reduce(scale), np.float32).reshape(pixels.shape)
    assert np.abs(shrunk - pixels).mean() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_reduced_image_is_turned_as_the_whole_one(source, encoded, photographs, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.open(photographs / "rocket.jpg"), "JPEG", exif=exif)
    whole, reduced = (decode_sample([source(data)], 3, Limits(reduce_to=size)) for size in (None, (200, 200)))
    assert whole.size == reduced.size
    full, half = next(whole.inputs).pixels, next(reduced.inputs).pixels
    height, width = (side - side % 2 for side in full.shape[:2])
    means = full[:height, :width].reshape(height // 2, 2, width // 2, 2, 3).mean((1, 3))
    assert np.abs(means - half[: height // 2, : width // 2]).mean() < 3
