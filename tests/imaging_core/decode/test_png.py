"""PNG against Pillow and libpng (through imagecodecs), in every bit depth and colour type."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageOps

from imaging_core.decode.case import CaseError


def png(height, width, bits, colour_type, rows, *chunks, interlaced=False):
    """A PNG made by hand from its packed rows."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, interlaced)
    body = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    middle = b"".join(chunk(*each) for each in chunks)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + middle + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_low_bit_greys_are_spread_over_eight_bits(decode, rng, bits):
    stored = rng.integers(0, 2**bits, (5, 8), dtype=np.uint8)
    unpacked = np.unpackbits(stored[:, :, None], axis=2)[:, :, 8 - bits :].reshape(5, -1)
    data = png(5, 8, bits, 0, np.packbits(unpacked, axis=1))
    assert (decode(data, channels=1)[:, :, 0] == stored.astype(int) * 255 // (2**bits - 1)).all()
    assert (decode(data)[:, :, 2] == np.asarray(Image.open(io.BytesIO(data)).convert("L"))).all()


@pytest.mark.parametrize("name", ["astronaut.png", "camera.png", "color.png", "horse.png", "logo.png", "text.png"])
def test_real_images_have_the_pixels_of_pillow(decode, photographs, name):
    data = (photographs / name).read_bytes()
    assert (decode(data) == np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))).all()
    assert (decode(data, channels=1)[:, :, 0] == np.asarray(Image.open(io.BytesIO(data)).convert("L"))).all()


_ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]


@pytest.mark.parametrize("kind", [(8, 0, 1), (8, 2, 3), (8, 4, 2), (8, 6, 4), (16, 0, 1), (16, 2, 3)])
def test_interlaced_images(decode, rng, kind, capfd):
    bits, colour_type, planes = kind
    stored = rng.integers(0, 2**bits, (11, 13, planes)).astype(np.uint16)
    passes = [stored[top::down, left::right] for top, left, down, right in _ADAM7]
    rows = [row.astype(">u2" if bits == 16 else np.uint8).tobytes() for each in passes for row in each]
    pixels = decode(png(11, 13, bits, colour_type, rows, interlaced=True))
    assert (pixels == stored[:, :, : 1 if planes < 3 else 3]).all()
    assert kind == (16, 2, 3) or capfd.readouterr().err == ""


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_is_dropped_not_composited(decode, encoded, colour, mode):
    image = Image.fromarray(colour).convert(mode)
    image.putalpha(7)
    expected = np.asarray(image.convert("RGBA"))[:, :, :3]
    assert (decode(encoded(image, "PNG")) == expected).all()


def test_a_transparent_colour_changes_nothing(decode, encoded, colour):
    grey, rgb = Image.fromarray(colour).convert("L"), Image.fromarray(colour)
    assert (decode(encoded(grey, "PNG", transparency=3)) == decode(encoded(grey, "PNG"))).all()
    assert (decode(encoded(rgb, "PNG", transparency=(1, 2, 3))) == colour).all()
    palette = rgb.quantize(16)
    assert (decode(encoded(palette, "PNG", transparency=b"\0\x80")) == np.asarray(palette.convert("RGB"))).all()


@pytest.mark.parametrize("colours", [2, 4, 16, 200])
def test_a_palette_becomes_its_colours(decode, encoded, colour, colours):
    image = Image.fromarray(colour).quantize(colours)
    assert (decode(encoded(image, "PNG")) == np.asarray(image.convert("RGB"))).all()


@pytest.mark.parametrize("planes", [1, 2, 3, 4])
def test_sixteen_bits_are_kept(decode, rng, planes):
    stored = rng.integers(0, 65536, (9, 13, planes), dtype=np.uint16)
    data = imagecodecs.png_encode(stored.squeeze())
    kept = decode(data)
    assert kept.dtype == np.uint16
    assert (kept == (stored[:, :, :3] if planes > 2 else stored[:, :, :1])).all()


def test_sixteen_bit_luma_is_the_601_mean(decode, rng):
    stored = rng.integers(0, 65536, (9, 13, 3), dtype=np.uint16)
    grey = decode(imagecodecs.png_encode(stored), channels=1)[:, :, 0]
    assert np.abs(grey - stored @ [0.299, 0.587, 0.114]).max() <= 1
    same = np.repeat(stored[:, :, :1], 3, axis=2)
    assert (decode(imagecodecs.png_encode(same), channels=1) == same[:, :, :1]).all()


@pytest.mark.parametrize(("colour_type", "planes", "transparent"), [(0, 1, b"\0\7"), (2, 3, b"\0\7\0\7\0\7")])
def test_sixteen_bits_with_a_transparent_colour(decode, rng, colour_type, planes, transparent):
    stored = rng.integers(0, 65536, (4, 5, planes), dtype=np.uint16)
    rows = [row.astype(">u2").tobytes() for row in stored]
    assert (decode(png(4, 5, 16, colour_type, rows, (b"tRNS", transparent))) == stored).all()


@pytest.mark.parametrize("bits", [8, 16])
def test_interlaced_files(decode, bits):
    # Adam7 of a 1 x 1 image is one pass of one pixel: the smallest file that needs the interlaced reader
    header = struct.pack(">IIBBBBB", 1, 1, bits, 2, 0, 0, 1)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixel = bytes(range(1, 1 + 3 * bits // 8))
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" + pixel))
    expected = np.frombuffer(pixel, ">u2" if bits == 16 else "u1")
    assert (decode(data + chunk(b"IEND", b""))[0, 0] == expected).all()


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_the_orientation_of_an_exif_chunk_is_applied(decode, encoded, colour, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded(colour, "PNG", exif=exif))))
    assert (decode(encoded(colour, "PNG", exif=exif)) == np.asarray(expected)).all()


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("lost", [1, 12, 40, 200])
def test_a_truncated_file_is_refused(decode, encoded, colour, deep, lost):
    data = imagecodecs.png_encode(colour.astype(np.uint16) * 257) if deep else encoded(colour, "PNG")
    assert decode(data).shape == colour.shape
    with pytest.raises(CaseError) as failure:
        decode(data[:-lost])
    assert failure.value.kind == "unreadable"
