"""NIfTI: the voxels and affines that nibabel reads, whatever their order, type, scaling and packing."""

import gzip
import random
import struct

import nibabel
import numpy as np
import pytest

from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.nifti import NIFTI
from imaging_core.store import Location
from imaging_core.store.memory import MemorySource
from tests.imaging_core.decode.damaged_nifti import check, damaged
from tests.volumes import SHIPPED, data_of, scan, seen, turned

ORIENTATIONS = ["RAS", "LPS", "LAS", "SRP", "AIR", "PSL", "IRA", "ASL"]


def volume(*files):
    return NIFTI.decode([MemorySource(Location.parse("scan.nii"), data) for data in files], 1, Limits())


def by_nibabel(image):
    """Slices x rows x columns x channels of the file's own order."""
    values = np.asanyarray(image.dataobj)
    return (values if values.ndim == 4 else values[..., None]).transpose(2, 1, 0, 3)


def reason(data, **limits):
    with pytest.raises(CaseError) as caught:
        seen(data, limits=Limits(**limits))
    return caught.value.kind, caught.value.reason


@pytest.mark.parametrize(
    "name",
    ["anatomical.nii", "example4d.nii.gz", "example_nifti2.nii.gz", "functional.nii", "reoriented_anat_moved.nii",
     "resampled_anat_moved.nii", "standard.nii.gz"],
)  # fmt: skip
def test_files_that_nibabel_ships_are_read_as_nibabel_reads_them(name):
    image = nibabel.load(SHIPPED / name)
    found = volume((SHIPPED / name).read_bytes())
    expected = by_nibabel(image)
    if expected.dtype == np.float64:  # rescaled
        assert found.voxels.dtype == np.float32
        np.testing.assert_allclose(found.voxels, expected, rtol=1e-6)
    else:
        assert found.voxels.dtype == expected.dtype.newbyteorder("=")
        assert np.array_equal(found.voxels, expected, equal_nan=expected.dtype.kind == "f")
    assert np.array_equal(found.affine[:, [2, 1, 0, 3]], image.affine)


@pytest.mark.parametrize("stored", ORIENTATIONS)
@pytest.mark.parametrize("wanted", ["RAS", "LPS", "RSA", "ASR"])
def test_a_model_sees_its_own_orientation_whatever_the_file_has(stored, wanted):
    image = scan(stored)
    expected = np.asanyarray(turned(image, wanted).dataobj).transpose(2, 1, 0)
    assert np.array_equal(seen(data_of(image), wanted)[..., 0], expected)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
def test_every_type_in_both_byte_orders_and_versions(kind, order, dtype):
    values = (np.random.default_rng(1).random((4, 3, 2)) * 100).astype(dtype)
    header = kind.header_class(endianness=order)
    header.set_data_dtype(dtype)
    data = kind(values, np.diag([1.0, 2.0, 3.0, 1.0]), header).to_bytes()
    for each in (data, gzip.compress(data)):
        found = volume(each)
        assert found.voxels.dtype == np.dtype(dtype)
        assert np.array_equal(found.voxels[..., 0], values.T)
    assert seen(data).dtype == (np.dtype(dtype) if dtype in ("u1", "u2") else np.float32)


def test_further_volumes_are_channels_where_the_model_wants_so_many():
    values = np.random.default_rng(1).integers(0, 200, (4, 3, 2, 5), dtype=np.uint8)
    data = data_of(nibabel.Nifti1Image(values, np.eye(4)))
    assert np.array_equal(seen(data, channels=5), values.transpose(2, 1, 0, 3))
    with pytest.raises(CaseError, match="5 planes; the model wants 2"):
        seen(data, channels=2)


def test_components_are_channels_too():
    values = np.random.default_rng(1).integers(0, 200, (4, 3, 2, 1, 3), dtype=np.uint8)
    assert np.array_equal(
        seen(data_of(nibabel.Nifti1Image(values, np.eye(4))), channels=3), values[:, :, :, 0].transpose(2, 1, 0, 3)
    )


def test_files_on_the_same_voxels_are_channels():
    one, other = scan(number=0), scan(number=0)
    other = nibabel.Nifti1Image(255 - np.asanyarray(other.dataobj), other.affine)
    together = volume(data_of(one), data_of(other))
    assert np.array_equal(together.voxels, np.concatenate([by_nibabel(one), by_nibabel(other)], axis=-1))
    moved = other.affine.copy()
    moved[0, 3] += 1
    with pytest.raises(CaseError, match="different places"):
        volume(data_of(one), data_of(nibabel.Nifti1Image(np.asanyarray(other.dataobj), moved)))
    with pytest.raises(CaseError, match="different sizes"):
        volume(data_of(one), data_of(scan(number=1)))


def test_colours_are_red_green_blue():
    values = np.random.default_rng(1).integers(0, 256, (4, 3, 2, 3), dtype=np.uint8)
    stored = values.view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    assert np.array_equal(
        seen(data_of(nibabel.Nifti1Image(stored, np.eye(4))), channels=3), values.transpose(2, 1, 0, 3)
    )


def test_one_slice_is_a_volume_of_one():
    values = np.arange(12, dtype=np.uint8).reshape(4, 3)
    assert np.array_equal(seen(data_of(nibabel.Nifti1Image(values, np.eye(4))))[0, ..., 0], values.T)


@pytest.mark.parametrize(("unit", "millimetres"), [("meter", 1000), ("mm", 1), ("micron", 0.001), ("unknown", 1)])
def test_spacing_is_in_millimetres(unit, millimetres):
    image = nibabel.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.diag([1.0, 2.0, 3.0, 1.0]))
    image.header.set_xyzt_units(unit)
    assert np.linalg.norm(volume(data_of(image)).affine[:3, :3], axis=0) == pytest.approx(
        np.array([3, 2, 1]) * millimetres
    )


def test_the_qform_counts_where_there_is_no_sform_and_the_sizes_where_there_is_neither():
    image = scan("PSL")
    image.set_sform(None)
    for code in (1, 0):
        image.set_qform(image.get_qform(), code)
        loaded = nibabel.Nifti1Image.from_bytes(data_of(image))
        assert np.array_equal(volume(data_of(image)).affine[:, [2, 1, 0, 3]], loaded.affine)


def test_values_that_are_not_finite_are_refused():
    values = np.zeros((3, 3, 3), np.float32)
    values[1, 1, 1] = np.nan
    assert reason(data_of(nibabel.Nifti1Image(values, np.eye(4))))[0] == "not_finite"


GOOD = data_of(scan())


def changed(offset, form, *values):
    data = bytearray(GOOD)
    struct.pack_into(form, data, offset, *values)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (GOOD[:-1], "unreadable", "truncated"),
        (GOOD[:300], "unreadable", "truncated"),
        (gzip.compress(GOOD, mtime=0)[:-400], "unreadable", "truncated"),
        (gzip.compress(GOOD, mtime=0)[:-6] + b"\0" * 6, "unreadable", "damaged"),  # the checksum
        (gzip.compress(GOOD[:-1], mtime=0), "unreadable", "truncated"),
        (changed(40, "<h", 0), "unreadable", "axes"),
        (changed(40, "<h", 8), "unreadable", "axes"),
        (changed(40, "<h", 1), "unsupported", "axes"),
        (changed(40, "<5h", 4, 2, 2, 2, 0), "unreadable", "pixels"),
        (changed(42, "<h", -5), "unreadable", "pixels"),
        (changed(42, "<3h", 32767, 32767, 32767), "too_large", "--max-pixels"),
        (changed(70, "<h", 9999), "unreadable", "type 9999"),
        (changed(70, "<h", 32), "unsupported", "complex64"),
        (changed(70, "<h", 1), "unsupported", "type 1"),
        (changed(108, "<f", float("nan")), "unreadable", "where its voxels begin"),
        (changed(108, "<f", 12), "unreadable", "where its voxels begin"),
        (changed(108, "<f", 1e9), "unreadable", "truncated"),
        (changed(112, "<2f", 2, float("inf")), "unreadable", "rescales"),
        (changed(280, "<f", float("nan")), "unreadable", "affine"),
        (changed(280, "<12f", *[0] * 12), "unreadable", "affine"),
        (changed(344, "4s", b"ni1\0"), "unsupported", "another file"),
        (changed(344, "4s", bytes(4)), "unsupported", "another file"),
        (b"\x1f\x8b" + bytes(600), "unsupported", "gzip is not read here"),
        (gzip.compress(b"a text", mtime=0), "unsupported", "gzip is not read here"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(data, kind, words):
    found = reason(data)
    assert found[0] == kind
    assert words in found[1]


def test_a_bomb_is_refused_by_what_its_header_promises():
    header = nibabel.Nifti2Image(np.zeros((1, 1, 1), np.uint8), np.eye(4)).header
    header.set_data_shape((2000, 2000, 2000))
    bomb = gzip.compress(header.binaryblock + bytes(4) + bytes(10_000_000))
    assert reason(bomb, pixels=1_000_000)[0] == "too_large"
    assert reason(bomb, pixels=4_000_000_000)[1].endswith("fewer voxels than its header promises")


def test_what_follows_the_voxels_is_not_unpacked():
    assert np.array_equal(seen(gzip.compress(GOOD + bytes(50_000_000))), seen(GOOD))


def test_damaged_files_are_read_or_refused():
    rng = random.Random(20261128)
    read = sum(check(damaged(rng)) for _ in range(1500))
    assert 50 < read < 1450, "some are read all the same, most are not"
