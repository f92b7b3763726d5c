"""DICOM that lies, is damaged, or wants to exhaust memory or time: refused, with a reason that quotes nothing of it."""

import random
import struct
import subprocess
import sys
import zlib

import imagecodecs
import numpy as np
import pytest
from pydicom import uid
from pydicom.encaps import encapsulate

from imaging_core.decode.case import Case, CaseError, Limits
from imaging_core.decode.dicom import DICOM
from imaging_core.store import Location
from imaging_core.store.memory import MemorySource
from tests.imaging_core.decode.dicom_objects import PATIENT, dicom, written
from tests.imaging_core.decode.hostile_dicom import mutated

SMALL = Limits(pixels=10**6)
PIXELS = np.arange(16 * 12, dtype=np.uint8).reshape(16, 12)


def read(data, limits=SMALL):
    found = DICOM.decode([MemorySource(Location.parse("/memory"), data)], 1, limits)
    if isinstance(found, Case):
        for _ in found.inputs:
            pass


def refused(data, limits=SMALL):
    with pytest.raises(CaseError) as caught:
        read(data, limits)
    assert PATIENT not in caught.value.reason
    return caught.value.kind, caught.value.reason


def compressed(frame, syntax, **elements):
    dataset = dicom(PIXELS, **elements)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].is_undefined_length = True
    return written(dataset)


@pytest.mark.parametrize(
    ("elements", "kind"),
    [
        ({"Rows": 65535, "Columns": 65535}, "too_large"),
        ({"NumberOfFrames": 2**31 - 1}, "too_large"),
        ({"NumberOfFrames": 10**5}, "too_large"),
        ({"NumberOfFrames": 2}, "unreadable"),
        ({"NumberOfFrames": -1}, "unreadable"),
        ({"Rows": 0}, "unreadable"),
        ({"Rows": 17}, "unreadable"),
        ({"SamplesPerPixel": 3}, "unsupported"),
        ({"SamplesPerPixel": 65535}, "unreadable"),
        ({"BitsAllocated": 12}, "unsupported"),
        ({"BitsAllocated": 64}, "unsupported"),
        ({"BitsStored": 9, "HighBit": 8}, "unreadable"),
        ({"HighBit": 6}, "unreadable"),
        ({"PixelRepresentation": 2}, "unreadable"),
        ({"PhotometricInterpretation": PATIENT}, "unsupported"),
        ({"PhotometricInterpretation": ""}, "unreadable"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "unreadable"),
        ({"RescaleSlope": "inf"}, "unreadable"),
        ({"WindowCenter": [], "WindowWidth": "NaN"}, "unreadable"),
    ],
)
def test_headers_that_lie(elements, kind):
    assert refused(written(dicom(PIXELS, **elements)))[0] == kind


@pytest.mark.parametrize(
    ("syntax", "encode"),
    [
        (uid.JPEGBaseline8Bit, imagecodecs.jpeg8_encode),
        (uid.JPEGLSLossless, imagecodecs.jpegls_encode),
        (uid.JPEG2000Lossless, lambda pixels: imagecodecs.jpeg2k_encode(pixels, codecformat="J2K")),
        (uid.HTJ2KLossless, imagecodecs.htj2k_encode),
    ],
)
def test_compressed_frames_that_promise_more_than_the_header(syntax, encode):
    read(compressed(encode(PIXELS), syntax))
    large = np.zeros((3000, 3000), np.uint8)
    assert refused(compressed(encode(large), syntax)) == (
        "unreadable",
        "the DICOM header and its compressed pixels contradict each other",
    )
    wide = encode(PIXELS.astype(np.uint16) * 257) if syntax != uid.JPEGBaseline8Bit else None
    if wide is not None:
        assert refused(compressed(wide, syntax))[0] == "unreadable"
    assert refused(compressed(encode(PIXELS)[:30], syntax))[0] == "unreadable"


@pytest.mark.parametrize("keep", [0.3, 0.7, 0.97])
@pytest.mark.parametrize(
    ("syntax", "encode"),
    [
        (uid.JPEGBaseline8Bit, imagecodecs.jpeg8_encode),
        (uid.JPEGLosslessSV1, lambda pixels: imagecodecs.jpeg8_encode(pixels, lossless=True, predictor=1)),
        (uid.JPEGLSLossless, imagecodecs.jpegls_encode),
        (uid.JPEG2000Lossless, lambda pixels: imagecodecs.jpeg2k_encode(pixels, codecformat="J2K")),
        (uid.HTJ2KLossless, imagecodecs.htj2k_encode),
        (
            uid.RLELossless,
            lambda pixels: struct.pack("<16I", 1, 64, *[0] * 14) + b"".join(bytes([0, v]) for v in pixels.flat),
        ),
    ],
)
def test_compressed_frames_that_end_early(syntax, encode, keep):
    frame = encode(PIXELS)
    read(compressed(frame, syntax))
    assert refused(compressed(frame[: int(len(frame) * keep)], syntax))[0] == "unreadable"


def test_run_lengths_that_end_early_or_late():
    segment = bytes([255, 7, 0])  # of 192 values, two
    header = struct.pack("<16I", 1, 64, *[0] * 14)
    assert refused(compressed(header + segment, uid.RLELossless))[0] == "unreadable"
    assert refused(compressed(header + bytes([129, 7] * 50), uid.RLELossless))[0] == "unreadable"


def test_a_deflated_file_is_inflated_no_further_than_its_head_promises():
    """300 MB of zeros in 300 KB, as pixels or as the head, where only 250 MB more may be had."""
    meta_and_head = written(dicom(PIXELS, uid.DeflatedExplicitVRLittleEndian))
    length = int.from_bytes(meta_and_head[140:144], "little")
    start = 144 + length
    head = zlib.decompress(meta_and_head[start:], -15)
    pixels_at = head.index(b"\xe0\x7f\x10\x00")
    zeros = bytes(300_000_000)
    bombs = {
        "pixels": head[:pixels_at] + b"\xe0\x7f\x10\x00OW\0\0" + struct.pack("<I", len(zeros)) + zeros,
        "head": struct.pack("<HH2sHI", 0x0009, 0x1001, b"OB", 0, len(zeros)) + zeros + head,
    }
    results = {}
    for name, bomb in bombs.items():
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = meta_and_head[:start] + deflate.compress(bomb) + deflate.flush()
        del bomb
        program = (
            "import resource, sys\n"
            "from tests.imaging_core.decode.test_dicom_malformed import CaseError, read\n"
            "read(bytes.fromhex(sys.argv[1]))\n"
            "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
            "resource.setrlimit(resource.RLIMIT_AS, (used + 250_000_000,) * 2)\n"
            "try:\n    read(sys.stdin.buffer.read())\n    print('read')\n"
            "except CaseError as error:\n    print(error.kind)\n"
        )
        whole = written(dicom(PIXELS)).hex()
        done = subprocess.run([sys.executable, "-c", program, whole], input=packed, capture_output=True, check=True)
        results[name] = done.stdout.decode().strip()
    assert results == {"pixels": "read", "head": "unsupported"}


@pytest.mark.parametrize("depth", [50, 100_000])
@pytest.mark.parametrize("closed", [True, False])
def test_sequences_within_sequences(depth, closed):
    element = struct.pack("<HH2sHI", 0x5200, 0x9229, b"SQ", 0, 0xFFFFFFFF)
    item, item_end, sequence_end = (
        struct.pack("<HHI", 0xFFFE, *pair) for pair in ((0xE000, 2**32 - 1), (0xE00D, 0), (0xE0DD, 0))
    )
    nested = (element + item) * depth + (item_end + sequence_end) * (depth if closed else 0)
    data = written(dicom(PIXELS))
    at = data.index(b"\xe0\x7f\x10\x00")
    hostile = data[:at] + nested + data[at:]
    if depth == 50 and closed:
        read(hostile)
    else:
        assert refused(hostile)[0] in ("unreadable", "unsupported")


def test_segments_of_a_palette_that_would_fill_memory():
    segments = np.array([0, 1, 9] + [1, 65535, 7] * 5000, "<u2")
    dataset = dicom(PIXELS, PhotometricInterpretation="PALETTE COLOR")
    for colour in ("Red", "Green", "Blue"):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(dataset, f"Segmented{colour}PaletteColorLookupTableData", segments.tobytes())
    read(written(dataset))
    for colour in ("Red", "Green", "Blue"):
        setattr(dataset, f"Segmented{colour}PaletteColorLookupTableData", segments[:3].tobytes())
    assert refused(written(dataset))[0] == "unreadable"


def test_damaged_files_are_read_or_refused():
    rng = random.Random(7)
    kinds = set()
    for _ in range(1500):
        try:
            read(mutated(rng))
            kinds.add("read")
        except CaseError as error:  # anything else fails this test
            kinds.add(error.kind)
    assert {"read", "unreadable", "unsupported", "too_large"} <= kinds


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(keep):
    for syntax in (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian):
        data = written(dicom(np.tile(PIXELS, (9, 9)), syntax))
        assert refused(data[: int(len(data) * keep)])[0] in ("unreadable", "unsupported")
