"""Intensities by the statistics of each case: as MONAI's transforms make them, for slices, patches and images."""

import io

import nibabel
import numpy as np
import pytest
from PIL import Image

from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.intensity import Intensity
from imaging_core.decode.registry import decode_sample
from imaging_core.decode.volume import Patches, View
from imaging_core.store import Location
from imaging_core.store.memory import MemorySource
from tests.volumes import data_of, scan, seen

transforms = pytest.importorskip("monai.transforms", reason="MONAI is the reference")

CHOICES = {
    Intensity("zscore"): lambda: transforms.NormalizeIntensity(channel_wise=True),
    Intensity("zscore", nonzero=True): lambda: transforms.NormalizeIntensity(nonzero=True, channel_wise=True),
    Intensity("percentiles", percentiles=(2, 97.5)): lambda: transforms.ScaleIntensityRangePercentiles(
        2, 97.5, 0, 1, clip=True, channel_wise=True
    ),
}


def source(data: bytes) -> MemorySource:
    return MemorySource(Location.parse("case"), data)


def expected(values: np.ndarray, intensity: Intensity) -> np.ndarray:
    """By MONAI, which has channels first."""
    return np.moveaxis(np.asarray(CHOICES[intensity]()(np.moveaxis(values, -1, 0).astype(np.float32))), 0, -1)


def volume(dtype: type) -> nibabel.Nifti1Image:
    """Two channels, a third of the voxels background."""
    one = scan("PSR")
    values = np.asanyarray(one.dataobj).astype(np.float64)
    values[values < np.quantile(values, 0.3)] = 0
    both = np.stack([values * 7 + (values > 0), values[::-1] ** 2 / 9], axis=-1)
    return nibabel.Nifti1Image(both.astype(dtype), one.affine)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
@pytest.mark.parametrize("intensity", CHOICES)
def test_slices_are_those_of_the_volume_that_monai_normalized(intensity: Intensity, dtype: type) -> None:
    data = data_of(volume(dtype))
    case = decode_sample([source(data)], 2, Limits(), view=View("RSA", intensity=intensity))
    found = np.stack([each.pixels for each in case.inputs])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected(seen(data, "RSA", 2), intensity), rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("intensity", CHOICES)
def test_patches_are_cut_out_of_the_normalized_volume_whatever_their_size(intensity: Intensity) -> None:
    data = data_of(volume(np.uint16))
    (whole,) = decode_sample([source(data)], 2, Limits(), view=View("LPS", Patches((64, 64, 64), 0), intensity)).inputs
    assert whole.sampling is not None
    for size, overlap in (((5, 7, 9), 0.5), ((4, 16, 8), 0.0)):
        case = decode_sample([source(data)], 2, Limits(), view=View("LPS", Patches(size, overlap), intensity))
        for each in case.inputs:
            cut = tuple(slice(begin, begin + side) for begin, side in zip(each.place.offset, size, strict=True))
            assert np.array_equal(each.pixels, whole.pixels[cut])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("intensity", CHOICES)
def test_images_too(intensity: Intensity, channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 200, (20, 30, 3), np.uint8)
    pixels[:7] = 0
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    plain, found = (
        next(decode_sample([source(buffer.getvalue())], channels, Limits(), view=view).inputs).pixels
        for view in (View(), View(intensity=intensity))
    )
    np.testing.assert_allclose(found, expected(plain, intensity), rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("intensity", CHOICES)
@pytest.mark.parametrize("value", [0, 7])
def test_one_value_everywhere_stays_finite(intensity: Intensity, value: int) -> None:
    data = data_of(nibabel.Nifti1Image(np.full((4, 5, 6), value, np.float32), np.eye(4)))
    case = decode_sample([source(data)], 1, Limits(), view=View(intensity=intensity))
    assert all(np.array_equal(each.pixels, np.zeros((5, 4, 1))) for each in case.inputs)


def brain_in_nan() -> tuple[bytes, np.ndarray]:
    image = scan()
    values = np.asanyarray(image.dataobj).astype(np.float32)
    values[values < 40] = np.nan
    return data_of(nibabel.Nifti1Image(values, image.affine)), np.nan_to_num(seen(data_of(image)) * 1.0)


def test_nan_fails_a_case_with_the_fix_or_is_0() -> None:
    data, values = brain_in_nan()
    with pytest.raises(CaseError, match="--nan zero") as caught:
        seen(data)
    assert caught.value.kind == "not_finite"
    assert np.array_equal(seen(data, limits=Limits(nan="zero")), np.where(values < 40, 0, values))


def test_nan_is_background_of_a_normalized_volume() -> None:
    data, values = brain_in_nan()
    intensity = Intensity("zscore", nonzero=True)
    case = decode_sample([source(data)], 1, Limits(nan="zero"), view=View(intensity=intensity))
    found = np.stack([each.pixels for each in case.inputs])
    np.testing.assert_allclose(found, expected(np.where(values < 40, 0, values), intensity), atol=2e-5)


def test_infinity_is_refused_even_where_nan_is_not() -> None:
    values = np.array([[[np.inf, np.nan, 1]]], np.float32)
    with pytest.raises(CaseError, match="infinite"):
        seen(data_of(nibabel.Nifti1Image(values, np.eye(4))), limits=Limits(nan="zero"))
