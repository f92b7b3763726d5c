"""Which decoder reads a sample, how planes and channels fit, and how every failure is told."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.registry import decode_sample
from imaging_core.store import Location, open_source


@pytest.fixture
def grey(colour):
    return np.array(Image.fromarray(colour).convert("L"))


def failure(decode, *files, **options):
    with pytest.raises(CaseError) as caught:
        decode(*files, **options)
    return caught.value.kind, caught.value.reason


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "BMP"])
def test_content_decides_not_the_name(tmp_path, encoded, colour, form):
    path = tmp_path / "scan.dcm"
    path.write_bytes(encoded(colour, form))
    case = decode_sample([open_source(Location.parse(str(path)))], 3, Limits())
    assert case.size == colour.shape[:2]


def test_several_files_are_planes_in_their_order(decode, encoded, colour, grey):
    files = [encoded(plane, form) for plane, form in zip(np.moveaxis(colour, -1, 0), ("PNG",) * 3, strict=True)]
    assert (decode(*files) == colour).all()
    as_grey = decode(files[0], encoded(colour, "PNG"), channels=2)
    assert (as_grey[:, :, 1] == grey).all()  # a colour file is one plane too


def test_planes_that_do_not_fit_are_refused(decode, encoded, colour, grey):
    one, other = encoded(grey, "PNG"), encoded(grey[1:], "PNG")
    assert failure(decode, one, other, channels=2) == ("unsupported", "the planes of this image have different sizes")
    assert failure(decode, one, one, channels=3)[0] == "unsupported"
    assert "2 planes; the model wants 3 (RGB)" in failure(decode, one, one, channels=3)[1]
    assert "1 planes; the model wants 5" in failure(decode, one, channels=5)[1]
    assert "different formats" in failure(decode, one, encoded(grey, "BMP"), channels=2)[1]


@pytest.mark.parametrize(
    ("head", "kind", "word"),
    [
        (b"patient,age\nJane Doe,47\n", "unreadable", "text"),
        (bytes(600), "unreadable", "unknown"),
        (b"GIF89a" + bytes(20), "unsupported", "GIF"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "unsupported", "WebP"),
        (bytes(128) + b"DICM", "unsupported", "DICOM"),
        (b"%PDF-1.7\n", "unsupported", "PDF"),
        (b"", "unreadable", "empty"),
        (b"\xff\xd8\xff", "unreadable", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "unreadable", "PNG"),
        (b"II*\0", "unreadable", "TIFF"),
    ],
)
def test_what_is_no_image_says_what_it_is(decode, head, kind, word):
    found, reason = failure(decode, head)
    assert found == kind
    assert word in reason
    assert "Jane" not in reason


def test_a_missing_file_and_a_folder(tmp_path):
    for path, kind in ((tmp_path / "gone.jpg", "missing"), (tmp_path, "unreadable")):
        with pytest.raises(CaseError) as caught:
            decode_sample([open_source(Location.parse(str(path)))], 3, Limits())
        assert caught.value.kind == kind
        assert "gone" not in caught.value.reason


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "scan.jpg")
    with pytest.raises(CaseError) as caught:
        decode_sample([open_source(Location.parse(str(tmp_path / "scan.jpg")))], 3, Limits())
    assert caught.value.kind == "unreadable"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "BMP"])
def test_limits_hold_before_decoding(decode, encoded, colour, form):
    data = encoded(colour, form)
    pixels = colour.shape[0] * colour.shape[1]
    assert decode(data, limits=Limits(pixels=pixels)).shape == colour.shape
    kind, reason = failure(decode, data, limits=Limits(pixels=pixels - 1))
    assert kind == "too_large"
    assert f"{colour.shape[0]} x {colour.shape[1]}" in reason
    assert failure(decode, data, limits=Limits(encoded_bytes=len(data) - 1))[0] == "too_large"


def test_a_decompression_bomb_costs_nothing(decode, encoded):
    bomb = bytearray(encoded(np.zeros((8, 8), np.uint8), "PNG"))
    bomb[16:24] = (2**31 - 1).to_bytes(4, "big") * 2
    assert failure(decode, bytes(bomb))[0] == "too_large"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "BMP"])
def test_damaged_bytes_never_crash(decode, encoded, colour, form):
    data = encoded(colour[::3, ::3], form)
    rng = np.random.default_rng(3)
    for _ in range(150):
        damaged = bytearray(data)
        for at in rng.integers(0, min(len(data), 400), 3):
            damaged[at] = rng.integers(0, 256)
        with suppress(CaseError):  # anything else fails this test
            decode(bytes(damaged), limits=Limits(pixels=10**6))


def test_threads_decode_the_same_pixels(photographs):
    names = ["astronaut.png", "rocket.jpg", "multipage.tif", "retina.jpg", "color.png"] * 6

    def pixels(name):
        source = open_source(Location.parse(str(photographs / name)))
        return next(decode_sample([source], 2 if name.endswith("tif") else 3, Limits()).inputs).pixels.tobytes()

    alone = [pixels(name) for name in names[:5]] * 6
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(pixels, names)) == alone
