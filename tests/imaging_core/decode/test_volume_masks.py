"""Masks of volumes: class indices on the image's voxels, in whatever orientation their own file is."""

import nibabel
import numpy as np
import pytest

from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.mask import decode_mask
from imaging_core.decode.nifti import NIFTI
from imaging_core.store import Location
from imaging_core.store.memory import MemorySource
from tests.volumes import data_of, scan, turned


def source(image):
    return MemorySource(Location.parse("mask.nii"), data_of(image))


def read(mask, kind, image):
    volume = NIFTI.decode([source(image)], 1, Limits())
    return decode_mask(source(mask), Limits(), kind, size=volume.size, affine=volume.affine)


def labelled(image, values):
    return nibabel.Nifti1Image(values, image.affine)


@pytest.mark.parametrize("stored", ["LPS", "RAS", "SRP", "AIL"])
def test_a_mask_is_turned_onto_the_voxels_of_its_image(stored):
    image = scan("LAS")
    classes = np.asanyarray(image.dataobj) // 64
    found = read(turned(labelled(image, classes), stored), "multiclass", image)
    assert np.array_equal(found, classes.transpose(2, 1, 0))


def test_a_binary_mask_is_true_above_0_whatever_its_type():
    image = scan()
    classes = np.asanyarray(image.dataobj) // 64
    for dtype in (np.uint8, np.int16, np.float32, np.float64):
        assert np.array_equal(
            read(labelled(image, classes.astype(dtype)), "binary", image), classes.transpose(2, 1, 0) > 0
        )


def test_a_multilabel_mask_has_a_volume_for_each_class():
    image = scan("PSL")
    values = np.asanyarray(image.dataobj)
    labels = np.stack([values > 40, values > 120], axis=-1).astype(np.uint8)
    found = read(turned(labelled(image, labels), "RAS"), "multilabel", image)
    assert np.array_equal(found, labels.transpose(3, 2, 1, 0) > 0)


def test_rescaled_class_indices_are_read():
    image = scan()
    classes = (np.asanyarray(image.dataobj) // 64).astype(np.uint8)
    data = bytearray(data_of(labelled(image, classes * 2)))
    data[112:120] = np.array([0.5, 0], "<f4").tobytes()
    volume = NIFTI.decode([source(image)], 1, Limits())
    found = decode_mask(
        MemorySource(Location.parse("m.nii"), bytes(data)),
        Limits(),
        "multiclass",
        size=volume.size,
        affine=volume.affine,
    )
    assert np.array_equal(found, classes.transpose(2, 1, 0))


def moved(image, transform):
    return nibabel.Nifti1Image(image.dataobj, image.affine @ transform)


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda mask: moved(mask, np.diag([1.0, 1.05, 1.0, 1.0])), "mask_size", "mm apart"),
        (lambda mask: moved(mask, nibabel.affines.from_matvec(np.eye(3), [0, 0, 1])), "mask_size", "mm apart"),
        (lambda mask: labelled(mask, np.asanyarray(mask.dataobj) / 2), "mask_value", "no class indices"),
        (lambda mask: labelled(mask, np.full(mask.shape, np.nan)), "mask_value", "no class indices"),
        (lambda mask: labelled(mask, np.stack([mask.dataobj] * 2, axis=-1)), "mask_value", "2 planes"),
    ],
)  # fmt: skip
def test_a_mask_that_does_not_fit_is_refused(change, kind, words):
    image = scan("PIR")
    with pytest.raises(CaseError, match=words) as caught:
        read(change(image), "multiclass", image)
    assert caught.value.kind == kind


def test_what_files_round_is_no_other_place():
    image = scan()
    mask = moved(labelled(image, np.ones(image.shape, np.uint8)), nibabel.affines.from_matvec(np.eye(3), [0, 0.01, 0]))
    assert read(mask, "binary", image).all()


@pytest.mark.parametrize("kind", ["binary", "multilabel"])
def test_nan_is_no_truth(kind):
    image = scan()
    with pytest.raises(CaseError, match="NaN"):
        read(labelled(image, np.full(image.shape, np.nan)), kind, image)
