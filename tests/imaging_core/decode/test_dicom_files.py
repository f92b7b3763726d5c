"""Every file that pydicom's package holds: read with the values that pydicom reads, or refused for what it is."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from imaging_core.decode.case import CaseError, Limits, Planes
from imaging_core.decode.mask import decode_mask
from imaging_core.decode.registry import choose, decode_sample
from imaging_core.store import Location, open_source

DATA = Path(pydicom.__file__).parent / "data"
FILES = sorted(
    path for path in DATA.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc", ".json", ".md", ".txt"}
)
NO_PIXELS = ("unsupported", "holds no pixels")
REFUSED = {
    # documents and plans: the words are the names of their classes
    **dict.fromkeys(("rtplan.dcm", "rtplan_truncated.dcm"), ("unsupported", "RT Plan")),
    **dict.fromkeys(("reportsi.dcm", "reportsi_with_empty_number_tags.dcm"), ("unsupported", "Basic Text SR")),
    **dict.fromkeys(("ExplVR_BigEndNoMeta.dcm", "ExplVR_LitEndNoMeta.dcm"), ("unsupported", "RT Ion Plan")),
    "rtstruct.dcm": ("unsupported", "RT Structure Set"),
    "test-SR.dcm": ("unsupported", "Comprehensive SR"),
    "waveform_ecg.dcm": ("unsupported", "ECG Waveform"),
    # images and fragments of data sets without their pixels
    **dict.fromkeys(("chrJapMulti.dcm", "chrJapMultiExplicitIR6.dcm", "chrKoreanMulti.dcm"), NO_PIXELS),
    **dict.fromkeys(("chrSQEncoding.dcm", "chrSQEncoding1.dcm", "empty_charset_LEI.dcm"), NO_PIXELS),
    **dict.fromkeys(("UN_sequence.dcm", "no_meta_group_length.dcm", "priv_SQ.dcm"), NO_PIXELS),
    # pixels without the elements that describe them
    **dict.fromkeys(("meta_missing_tsyntax.dcm", "nested_priv_SQ.dcm"), ("unreadable", "BitsAllocated")),
    # ground truth
    **dict.fromkeys(("liver_1frame.dcm", "liver_expb_1frame.dcm"), ("unsupported", "segmentation")),
    # damaged: cut off, a number of frames of "1A", a delimiter inside the compressed pixels, a first byte lost
    "MR_truncated.dcm": ("unreadable", "truncated"),
    "badVR.dcm": ("unreadable", "damaged"),
    "JPEG2000-embedded-sequence-delimiter.dcm": ("unreadable", "contradict"),
    "no_meta.dcm": ("unreadable", "no image"),
    # not DICOM
    "crayons.icc": ("unreadable", "no image"),
    "zipMR.gz": ("unsupported", "gzip"),
    "rtplan.dump": ("unreadable", "text"),
    "rtstruct.dump": ("unreadable", "text"),
    "README": ("unreadable", "text"),
}
ONLY_HERE = {"JPGExtended.dcm", "JPEG-lossy.dcm", "SC_rgb_jpeg_gdcm.dcm", "GDCMJ2K_TextGBR.dcm"}
"""Read here and not by pydicom with the codecs that are installed; see test_dicom_dcmtk."""


def expected_refusal(path):
    if path.name.startswith("DICOMDIR"):
        return ("unsupported", "Media Storage Directory")
    if path.parent.name == "palettes":
        return ("unsupported", "Color Palette Storage")
    if "TINY_ALPHA" in path.parts and path.name.startswith("IM"):
        return NO_PIXELS
    return REFUSED.get(path.name)


def opened(path):
    return open_source(Location.parse(str(path)))


def stored_values(path):
    """As ground truth is read: greys and palette indices as they are in the file."""
    read = choose(path.read_bytes()[:512]).mask(opened(path), Limits(), indices=True)
    return read.pixels if isinstance(read, Planes) else read.voxels


@pytest.mark.parametrize("path", [p for p in FILES if expected_refusal(p)], ids=lambda path: path.name)
def test_refused(path):
    kind, word = expected_refusal(path)
    with pytest.raises(CaseError) as caught:
        decode_sample([opened(path)], 1, Limits())
    assert caught.value.kind == kind
    assert word in caught.value.reason


@pytest.mark.parametrize("path", [p for p in FILES if not expected_refusal(p)], ids=lambda path: path.name)
def test_read(path):
    case = decode_sample([opened(path)], 3, Limits())
    inputs = list(case.inputs)
    dataset = pydicom.dcmread(path)
    frames = int(dataset.get("NumberOfFrames") or 1)
    assert len(inputs) == case.count == frames
    assert case.size == ((frames,) if frames > 1 else ()) + (dataset.Rows, dataset.Columns)
    wide = dataset.BitsStored > 8 or dataset.get("RedPaletteColorLookupTableDescriptor", [0, 0, 8])[2] > 8
    for each in inputs:
        assert each.pixels.shape == (dataset.Rows, dataset.Columns, 3)
        assert each.pixels.dtype == (np.uint16 if wide else np.uint8)
    if path.name not in ONLY_HERE:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = dataset.pixel_array
        if dataset.SamplesPerPixel == 1:
            expected = expected[..., None]
        if dataset.BitsStored == 32 and dataset.SamplesPerPixel == 3:
            expected = expected >> np.uint32(16)
        values = np.stack([each.pixels for each in inputs]) if dataset.SamplesPerPixel == 3 else stored_values(path)
        difference = np.abs(values.reshape(expected.shape).astype(np.int64) - expected.astype(np.int64))
        assert difference.max() <= (1 if dataset.PhotometricInterpretation.startswith("YBR_FULL") else 0)


def test_threads_read_the_same():
    paths = [path for path in FILES if not expected_refusal(path) and path.stat().st_size < 100_000]
    alone = [stored_values(path).tobytes() for path in paths]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda path: stored_values(path).tobytes(), paths)) == alone


def test_doses_are_a_volume_with_its_place():
    """``rtdose.dcm``: 15 frames, each farther along the normal by its Grid Frame Offset."""
    path = get_testdata_file("rtdose.dcm")
    dataset = pydicom.dcmread(path)
    case = decode_sample([opened(path)], 1, Limits(dicom="rescaled"))
    values = np.stack([each.pixels[:, :, 0] for each in case.inputs])
    place = case.grid.affine
    assert case.size == (15, 10, 10)
    offsets = np.array(dataset.GridFrameOffsetVector)
    for number in (0, 14):
        left, posterior, superior = dataset.ImagePositionPatient
        found = place @ [number, 0, 0, 1]
        np.testing.assert_allclose(found[:3], [-left, -posterior, superior + offsets[number]], atol=1e-6)
    seen = case.grid.seen((dataset.pixel_array * dataset.DoseGridScaling).astype(np.float32))
    assert (values == seen).all()


@pytest.mark.parametrize("name", ["liver_1frame.dcm", "liver_expb_1frame.dcm"])
def test_a_segmentation_of_one_frame_is_a_mask(name):
    mask = decode_mask(opened(next(DATA.rglob(name))), Limits(), "binary")
    assert mask.dtype == np.bool_
    assert (mask == (pydicom.dcmread(next(DATA.rglob("liver_1frame.dcm"))).pixel_array == 1)).all()
    assert mask.any()
