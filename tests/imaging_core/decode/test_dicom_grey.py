"""From stored values to greys: rescale, padding, VOI LUT, windows and MONOCHROME1, against the standard's own words."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging_core.decode.case import CaseError, Limits
from tests.imaging_core.decode.dicom_objects import dicom, table, written

RESCALED = Limits(dicom="rescaled")
NUMBERS = np.arange(-40, 41, dtype=np.int16).reshape(9, 9)


@pytest.fixture
def seen(decode):
    return lambda dataset, limits=None: decode(written(dataset), channels=1, limits=limits)[:, :, 0]


def standards_window(x, centre, width, function):
    """PS3.3 C.11.2.1.2.1, C.11.2.1.3.2 and C.11.2.1.3.1, one value at a time, from 0 to 1."""
    match function:
        case "LINEAR":
            if x <= centre - 0.5 - (width - 1) / 2:
                return 0.0
            if x > centre - 0.5 + (width - 1) / 2:
                return 1.0
            return (x - (centre - 0.5)) / (width - 1) + 0.5
        case "LINEAR_EXACT":
            if x <= centre - width / 2:
                return 0.0
            if x > centre + width / 2:
                return 1.0
            return (x - centre) / width + 0.5
        case _:
            return 1 / (1 + math.exp(-4 * (x - centre) / width))


@given(
    st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
    st.integers(-60, 60),
    st.integers(1, 90),
    st.sampled_from([0.5, 1, 2, -1]),
    st.sampled_from([0, 10.25, -7]),
    st.booleans(),
)
def test_windows_are_the_standards(decode_once, function, centre, width, slope, intercept, inverted):
    dataset = dicom(
        NUMBERS,
        WindowCenter=centre,
        WindowWidth=width,
        VOILUTFunction=function,
        RescaleSlope=slope,
        RescaleIntercept=intercept,
        PhotometricInterpretation="MONOCHROME1" if inverted else "MONOCHROME2",
    )
    expected = [standards_window(x * slope + intercept, centre, width, function) for x in NUMBERS.flat]
    if inverted:
        expected = [1 - y for y in expected]
    greys = decode_once(written(dataset), channels=1)
    assert greys.dtype == np.uint16
    np.testing.assert_allclose(greys.ravel(), np.array(expected) * 65535, atol=0.501)


@pytest.fixture(scope="module")
def decode_once():
    """As ``decode``, without a folder for each test: hypothesis has one fixture for many examples."""
    from imaging_core.decode.registry import decode_sample
    from imaging_core.store import Location
    from imaging_core.store.memory import MemorySource

    def decode(data, channels, limits=None):
        source = MemorySource(Location.parse("/memory"), data)
        return next(decode_sample([source], channels, limits or Limits()).inputs).pixels

    return decode


@pytest.mark.parametrize(
    ("dtype", "stored", "greys"),
    [
        (np.uint8, [0, 1, 254, 255], [0, 1, 254, 255]),
        (np.uint16, [0, 1, 4000, 65535], [0, 1, 4000, 65535]),
        (np.int16, [-32768, -1, 0, 32767], [0, 32767, 32768, 65535]),
        (np.uint32, [0, 2**16, 2**32 - 1, 2**31], [0, 1, 65535, 32768]),
        (np.int8, [-128, 0, 1, 127], [0, 128, 129, 255]),
    ],
)
def test_without_a_window_greys_span_what_can_be_stored(seen, dtype, stored, greys):
    pixels = seen(dicom(np.array([stored], dtype)))
    assert pixels.tolist() == [greys]
    assert pixels.dtype == (np.uint8 if np.dtype(dtype).itemsize == 1 else np.uint16)


def test_twelve_bits_span_all_of_sixteen(seen):
    assert seen(dicom(np.array([[0, 2048, 4095, 4095]], np.uint16), BitsStored=12)).tolist() == [
        [0, 32776, 65535, 65535]
    ]


def test_only_the_stored_bits_count(seen):
    raw = np.array([[0xF001, 0x1FFF, 0x0800, 0x07FF]], np.uint16)
    assert seen(dicom(raw, BitsStored=12), RESCALED).tolist() == [[1, 4095, 2048, 2047]]
    assert seen(dicom(raw, BitsStored=12, PixelRepresentation=1), RESCALED).tolist() == [[1, -1, -2048, 2047]]
    assert seen(dicom(raw << 4, BitsStored=12, HighBit=15), RESCALED).tolist() == [[1, 4095, 2048, 2047]]


def test_rescaled_values_are_what_was_measured(seen):
    dataset = dicom(NUMBERS, RescaleSlope=2.5, RescaleIntercept=-1000, WindowCenter=0, WindowWidth=5)
    pixels = seen(dataset, RESCALED)
    assert pixels.dtype == np.float32
    assert (pixels == NUMBERS * 2.5 - 1000).all()


def test_doses_are_scaled_by_their_grid(seen):
    assert seen(dicom(np.array([[1, 2]], np.uint32), DoseGridScaling=0.5), RESCALED).tolist() == [[0.5, 1]]


@pytest.mark.parametrize("vr", ["OW", "US"])
def test_a_modality_lut_takes_the_place_of_rescaling(seen, vr):
    lut = table([100, 200, 300, 400], first=10, bits=16, vr=vr)
    dataset = dicom(np.array([[0, 10, 11, 12, 13, 99]], np.uint8), ModalityLUTSequence=lut)
    assert seen(dataset, RESCALED).tolist() == [[100, 100, 200, 300, 400, 400]]


def test_a_voi_lut_goes_before_a_window_and_after_rescaling(seen):
    lut = table([0, 51, 255], first=65536 - 1, bits=8)  # -1, as a writer stores it unsigned
    dataset = dicom(
        np.array([[0, 1, 2, 3, 200]], np.uint8),
        RescaleSlope=1,
        RescaleIntercept=-2,
        VOILUTSequence=lut,
        WindowCenter=100,
        WindowWidth=200,
    )
    assert seen(dataset).tolist() == [[0, 0, 51, 255, 255]]


def test_of_several_windows_the_first_counts(seen):
    one, two = (dicom(NUMBERS, WindowCenter=c, WindowWidth=w) for c, w in ((5, 20), ([5, 0], [20, 300])))
    assert (seen(one) == seen(two)).all()


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_the_smallest_of_the_others(seen, photometric):
    stored = np.array([[-2000, -1999, -1990, 0, 40, 80]], np.int16)
    elements = {"PixelPaddingValue": -2000, "WindowCenter": 40, "WindowWidth": 100}
    dataset = dicom(stored, PhotometricInterpretation=photometric, **elements)
    assert seen(dataset)[0, 0] == 0
    assert (seen(dataset)[0, 1] == 0) == (photometric == "MONOCHROME2")
    assert seen(dataset, RESCALED).tolist() == [[-1999, -1999, -1990, 0, 40, 80]]
    dataset.PixelPaddingRangeLimit = -1990
    assert seen(dataset, RESCALED).tolist() == [[0, 0, 0, 0, 40, 80]]
    assert seen(dataset)[0, :3].tolist() == [0, 0, 0]


def test_padding_stored_unsigned_is_the_same_value(seen):
    dataset = dicom(np.array([[-2000, 7, 9]], np.int16))
    dataset.add_new("PixelPaddingValue", "US", 65536 - 2000)
    assert seen(dataset, RESCALED).tolist() == [[7, 7, 9]]


too_short = table([1, 2], first=0, bits=8)
too_short[0].LUTDescriptor = [9, 0, 8]


@pytest.mark.parametrize(
    ("elements", "kind", "word"),
    [
        ({"WindowCenter": 0, "WindowWidth": 0}, "unreadable", "WindowWidth is 0"),
        ({"WindowCenter": 0, "WindowWidth": 0.5}, "unreadable", "a LINEAR window is wider"),
        ({"WindowCenter": 0, "WindowWidth": 9, "VOILUTFunction": "JANE"}, "unsupported", "VOILUTFunction"),
        ({"RescaleSlope": 0}, "unreadable", "RescaleSlope"),
        ({"VOILUTSequence": too_short}, "unreadable", "lookup table"),
        ({"VOILUTSequence": table([1, 256], first=0, bits=8)}, "unreadable", "lookup table"),
    ],
)
def test_what_the_standard_does_not_allow_is_refused(seen, elements, kind, word):
    with pytest.raises(CaseError) as caught:
        seen(dicom(NUMBERS, **elements))
    assert caught.value.kind == kind
    assert word in caught.value.reason
    assert "JANE" not in caught.value.reason


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_want_a_window_or_a_model_that_takes_them_rescaled(seen, dtype):
    values = np.array([[-1.5, 0, 0.25, 9]], dtype)
    dataset = dicom(values.view(f"u{values.dtype.itemsize}"), BitsAllocated=8 * values.dtype.itemsize)
    del dataset.PixelData
    name = "FloatPixelData" if dtype == np.float32 else "DoubleFloatPixelData"
    setattr(dataset, name, values.tobytes())
    assert seen(dataset, RESCALED).tolist() == [[-1.5, 0, 0.25, 9]]
    with pytest.raises(CaseError, match="floats without a window"):
        seen(dataset)
    dataset.WindowCenter, dataset.WindowWidth, dataset.VOILUTFunction = 0.5, 1, "LINEAR_EXACT"
    assert seen(dataset).tolist() == [[0, 0, 16384, 65535]]
    setattr(dataset, name, np.array([[np.nan, 0, 0, 0]], dtype).tobytes())
    with pytest.raises(CaseError) as caught:
        seen(dataset, RESCALED)
    assert caught.value.kind == "not_finite"
