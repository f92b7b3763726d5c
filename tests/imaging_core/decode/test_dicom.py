"""DICOM pixels of every transfer syntax, bit depth and kind of colours, as numpy had them before they were written."""

import imagecodecs
import numpy as np
import pytest
from pydicom import uid
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.pixels.utils import pack_bits

from imaging_core.decode.case import CaseError, Limits
from tests.imaging_core.decode.dicom_objects import dicom, written

RESCALED = Limits(dicom="rescaled")
GREYS = [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32]


@pytest.fixture
def stored(decode):
    """The stored values of a grey image: nothing rescales them."""
    return lambda dataset: decode(written(dataset), channels=1, limits=RESCALED)[:, :, 0]


def noise(dtype, shape=(13, 9), bits=None):
    info = np.iinfo(dtype)
    low, high = info.min, info.max
    if bits:
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if low < 0 else (0, 2**bits - 1)
    return np.random.default_rng(5).integers(low, high, shape, dtype, endpoint=True)


def compressed(dataset, frames, syntax, **elements):
    """The same image with its pixels compressed."""
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate(frames)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    for name, value in elements.items():
        setattr(dataset, name, value)
    return dataset


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
@pytest.mark.parametrize("dtype", GREYS)
def test_native_greys_of_every_byte_order(stored, syntax, dtype):
    pixels = noise(dtype)
    assert (stored(dicom(pixels, syntax)) == pixels.astype(np.float32)).all()


def test_native_greys_deflated(stored):
    pixels = noise(np.uint16)
    assert (stored(dicom(pixels, uid.DeflatedExplicitVRLittleEndian)) == pixels).all()


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
def test_bytes_written_as_words(stored, syntax):
    pixels = noise(np.uint8, (8, 9))
    dataset = dicom(pixels, syntax)
    if syntax == uid.ExplicitVRBigEndian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, np.uint16).byteswap().tobytes()
    dataset["PixelData"].VR = "OW"
    assert (stored(dataset) == pixels).all()


def test_single_bits_lie_without_gaps(decode_volume, stored):
    bits = np.random.default_rng(1).integers(0, 2, (3, 5, 7), np.uint8)
    one = dicom(bits[0], BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=pack_bits(bits[0]))
    assert (stored(one) == bits[0]).all()
    three = dicom(bits, BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=pack_bits(bits))
    volume = decode_volume([written(three)])
    assert (volume.voxels[..., 0] == bits * 255).all()
    assert volume.affine is None


@pytest.mark.parametrize("preamble", [True, False])
@pytest.mark.parametrize("meta", [True, False])
@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
def test_files_without_preamble_or_meta_information(decode, preamble, meta, syntax):
    pixels = noise(np.uint16)
    data = written(dicom(pixels, syntax))
    length = int.from_bytes(data[140:144], "little")
    kept = (data[:132] if preamble else b"") + (data[132 : 144 + length] if meta else b"") + data[144 + length :]
    assert (decode(kept, channels=1)[:, :, 0] == pixels).all()


CODECS = [
    (uid.RLELossless, np.uint8, 8), (uid.RLELossless, np.int16, 16),
    (uid.JPEGLSLossless, np.uint8, 8), (uid.JPEGLSLossless, np.uint16, 12), (uid.JPEGLSLossless, np.int16, 16),
    (uid.JPEGLossless, np.uint8, 8), (uid.JPEGLosslessSV1, np.uint16, 16), (uid.JPEGLosslessSV1, np.int16, 16),
    (uid.JPEGLosslessSV1, np.int16, 12),
    (uid.JPEG2000Lossless, np.uint8, 8), (uid.JPEG2000Lossless, np.int16, 16), (uid.JPEG2000Lossless, np.uint16, 12),
    (uid.HTJ2KLossless, np.uint8, 8), (uid.HTJ2KLossless, np.int16, 16), (uid.HTJ2KLosslessRPCL, np.uint16, 16),
]  # fmt: skip


@pytest.mark.parametrize(("syntax", "dtype", "bits"), CODECS)
def test_lossless_codecs_give_back_what_was_there(stored, syntax, dtype, bits):
    pixels = noise(dtype, (64, 48), bits)
    dataset = dicom(pixels, BitsStored=bits)
    raw = pixels.view(f"u{pixels.dtype.itemsize}") & np.array(2**bits - 1, f"u{pixels.dtype.itemsize}")
    if syntax == uid.RLELossless:
        dataset.compress(syntax)
    elif syntax == uid.JPEGLSLossless:
        compressed(dataset, [imagecodecs.jpegls_encode(raw)], syntax)
    elif syntax in (uid.JPEGLossless, uid.JPEGLosslessSV1):
        predictor = 4 if syntax == uid.JPEGLossless else 1
        frame = imagecodecs.jpeg8_encode(raw, lossless=True, predictor=predictor, bitspersample=bits)
        compressed(dataset, [frame], syntax)
    elif syntax == uid.JPEG2000Lossless:
        frame = imagecodecs.jpeg2k_encode(pixels, codecformat="J2K", reversible=True, bitspersample=bits)
        compressed(dataset, [frame], syntax)
    else:
        compressed(dataset, [imagecodecs.htj2k_encode(pixels, reversible=True)], syntax)
    assert (stored(dataset) == pixels).all()


def test_lossy_codecs_come_close(stored):
    ramp = (np.add.outer(np.arange(64), np.arange(48)) * 30 + noise(np.uint8, (64, 48), 4)).astype(np.uint16)
    for syntax, frame in (
        (uid.JPEGExtended12Bit, imagecodecs.jpeg8_encode(ramp, level=90, bitspersample=12)),
        (uid.JPEG2000, imagecodecs.jpeg2k_encode(ramp, level=60, codecformat="J2K", bitspersample=12)),
        (uid.HTJ2K, imagecodecs.htj2k_encode(ramp, level=0.001, reversible=False)),
        (uid.JPEGLSNearLossless, imagecodecs.jpegls_encode(ramp, level=3)),
    ):
        values = stored(compressed(dicom(ramp, BitsStored=12), [frame], syntax))
        assert 0 < np.abs(values - ramp).max() < 60, syntax.name
    grey = (ramp // 16).astype(np.uint8)
    frame = imagecodecs.jpeg8_encode(grey, level=95)
    assert np.abs(stored(compressed(dicom(grey), [frame], uid.JPEGBaseline8Bit)) - grey).max() < 4


@pytest.mark.parametrize("by_plane", [0, 1])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
def test_colours_by_pixel_and_by_plane(decode, by_plane, dtype, syntax):
    pixels = noise(dtype, (6, 5, 3))
    dataset = dicom(pixels, syntax)
    if by_plane:
        order = "<" if syntax == uid.ExplicitVRLittleEndian else ">"
        planes = np.moveaxis(pixels, -1, 0).astype(pixels.dtype.newbyteorder(order))
        dataset.PlanarConfiguration, dataset.PixelData = 1, planes.tobytes()
    assert (decode(written(dataset), channels=3) == pixels).all()


def test_colours_of_other_depths_span_their_type(decode):
    wide = np.array([[[0, 2**31, 2**32 - 1]]], np.uint32)
    assert decode(written(dicom(wide)), channels=3).tolist() == [[[0, 32768, 65535]]]
    ten = np.array([[[0, 512, 1023]]], np.uint16)
    assert decode(written(dicom(ten, BitsStored=10)), channels=3).tolist() == [[[0, 32800, 65535]]]


@pytest.mark.parametrize("subsampled", [False, True])
def test_luma_and_chroma_become_rgb(decode, subsampled):
    """The matrix of PS3.3 C.7.6.3.1.2, turned around: full range, centred at 128."""
    rgb = noise(np.uint8, (4, 6, 3)).astype(np.float64)
    if subsampled:
        rgb = np.repeat(rgb[:, ::2], 2, axis=1)
    matrix = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
    ybr = np.clip(np.rint(rgb @ matrix.T + [0, 128, 128]), 0, 255).astype(np.uint8)
    dataset = dicom(ybr, PhotometricInterpretation="YBR_FULL_422" if subsampled else "YBR_FULL")
    if subsampled:
        pairs = ybr.reshape(4, 3, 2, 3)
        packed = np.concatenate([pairs[:, :, :, 0], pairs[:, :, 0, 1:]], axis=2)
        dataset.PixelData = packed.tobytes()
    assert np.abs(decode(written(dataset), channels=3) - rgb).max() <= 2


@pytest.mark.parametrize(
    ("syntax", "encode"),
    [
        (uid.JPEGLosslessSV1, {"colorspace": "YCBCR", "outcolorspace": "YCBCR", "lossless": True, "predictor": 1}),
        (uid.JPEGLSLossless, None),
        (uid.JPEG2000Lossless, {"codecformat": "J2K", "reversible": True, "mct": False}),
    ],
)
def test_codecs_that_keep_luma_and_chroma(decode, syntax, encode):
    ybr = noise(np.uint8, (16, 24, 3))
    native = dicom(ybr, PhotometricInterpretation="YBR_FULL")
    if syntax == uid.JPEGLosslessSV1:
        frame = imagecodecs.jpeg8_encode(ybr, **encode)
    elif syntax == uid.JPEGLSLossless:
        frame = imagecodecs.jpegls_encode(ybr)
    else:
        frame = imagecodecs.jpeg2k_encode(ybr, **encode)
    same = compressed(dicom(ybr, PhotometricInterpretation="YBR_FULL"), [frame], syntax)
    assert (decode(written(same), channels=3) == decode(written(native), channels=3)).all()


def test_grey_of_colours_is_luma(decode, colour):
    from PIL import Image

    expected = np.array(Image.fromarray(colour).convert("L"))
    assert (decode(written(dicom(colour)), channels=1)[:, :, 0] == expected).all()


def palette(dataset, tables, first=0, bits=16, data=lambda table: table.astype("<u2").tobytes(), prefix=""):
    for name, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        setattr(dataset, f"{name}PaletteColorLookupTableDescriptor", [len(table), first, bits])
        setattr(dataset, f"{prefix}{name}PaletteColorLookupTableData", data(table))
    dataset.PhotometricInterpretation = "PALETTE COLOR"
    return dataset


@pytest.mark.parametrize("packed", [False, True])
def test_palettes_of_eight_bits(decode, packed):
    tables = noise(np.uint8, (3, 20))
    indices = np.array([[0, 9, 10, 15, 29, 200]], np.uint8)
    as_bytes = (lambda table: table.tobytes()) if packed else (lambda table: table.astype("<u2").tobytes())
    pixels = decode(written(palette(dicom(indices), tables, first=10, bits=8, data=as_bytes)), channels=3)
    assert pixels.dtype == np.uint8
    assert (pixels == tables.T[[[0, 0, 0, 5, 19, 19]]]).all()


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
def test_palettes_of_sixteen_bits(decode, syntax):
    tables = noise(np.uint16, (3, 256))
    indices = noise(np.uint8)
    order = "<u2" if syntax == uid.ExplicitVRLittleEndian else ">u2"
    dataset = palette(dicom(indices, syntax), tables, data=lambda table: table.astype(order).tobytes())
    assert (decode(written(dataset), channels=3) == tables.T[indices]).all()


def test_palettes_in_segments(decode):
    """Discrete (0), linear (1) and indirect (2) segments: PS3.3 C.7.9.2."""
    segments = np.array([0, 3, 10, 20, 30, 1, 4, 110, 2, 2, 0, 0], np.uint16)
    expected = [10, 20, 30, 50, 70, 90, 110, 10, 20, 30, 50, 70, 90, 110]
    indices = np.arange(14, dtype=np.uint8)[None]
    dataset = palette(
        dicom(indices), [np.zeros(14)] * 3, data=lambda _: segments.astype("<u2").tobytes(), prefix="Segmented"
    )
    assert decode(written(dataset), channels=3)[0, :, 0].tolist() == expected


@pytest.mark.parametrize("table", ["none", "basic", "extended", "fragments"])
def test_frames_are_found_with_and_without_an_offset_table(decode_volume, table):
    frames = noise(np.uint8, (4, 32, 16))
    encoded = [imagecodecs.jpegls_encode(frame) for frame in frames]
    dataset = compressed(dicom(frames), encoded, uid.JPEGLSLossless)
    if table == "none":
        dataset.PixelData = encapsulate(encoded, has_bot=False)
    elif table == "fragments":
        dataset.PixelData = encapsulate(encoded, fragments_per_frame=2)
    elif table == "extended":
        data, offsets, lengths = encapsulate_extended(encoded)
        dataset.PixelData = data
        dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = offsets, lengths
    assert (decode_volume([written(dataset)]).voxels[..., 0] == frames).all()


def test_what_no_permissive_codec_reads_is_named(decode):
    dataset = compressed(dicom(noise(np.uint8)), [b"\0\0\1\xb3" * 8], uid.MPEG4HP41)
    with pytest.raises(CaseError) as caught:
        decode(written(dataset), channels=1)
    assert caught.value.kind == "unsupported"
    assert "MPEG-4" in caught.value.reason
