"""A DICOM segmentation as ground truth of a NIfTI image: laid onto its voxels by where frames lie, or refused."""

import random

import nibabel
import numpy as np
import pytest

from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.mask import decode_mask
from imaging_core.decode.registry import decode_sample
from imaging_core.store import Location
from imaging_core.store.memory import MemorySource
from tests.imaging_core.decode.dicom_objects import ct_series, written
from tests.imaging_core.decode.hostile_segments import damaged
from tests.imaging_core.decode.segment_objects import drawn, segmentation, study
from tests.volumes import data_of, turned

SIZE = (6, 8, 10)
CLASSES = ("background", "kidney", "tumour")
COS, SIN = np.cos(0.3), np.sin(0.3)
OBLIQUE = [COS, SIN, 0, -SIN * COS, COS * COS, SIN]


def source(data):
    return MemorySource(Location.parse("/data/x"), data)


class Pair:
    """A series with segments, and the same voxels as NIfTI, stored in another orientation; nibabel lays both out."""

    def __init__(self, stored, orientation=(1, 0, 0, 0, 1, 0), shift=0.0):
        row, column = np.array(orientation[:3]), np.array(orientation[3:])
        normal = np.cross(row, column)
        images = ct_series(np.zeros(SIZE, np.int16), **study(), ImageOrientationPatient=list(orientation))
        for number, image in enumerate(images):
            image.ImagePositionPatient = (np.array([-10, -20, 30]) + 2.5 * number * normal).round(6).tolist()
        self.truth = drawn(SIZE)
        self.segments = segmentation(images, self.truth, labels=("kidney", "tumour"))
        affine = np.eye(4)
        affine[:3, :3] = np.column_stack([row * 0.5, column * 0.7, normal * 2.5])
        affine[:3, 3] = [-10 + shift, -20, 30]
        affine[:2] *= -1  # from DICOM's left and posterior to right and anterior
        self.affine = affine
        self.image = self.as_nifti(np.arange(self.truth.size).reshape(SIZE).astype(np.int16), stored)
        self.labels = self.as_nifti(self.truth, stored)

    def as_nifti(self, voxels, stored):
        return turned(nibabel.Nifti1Image(voxels.transpose(2, 1, 0), self.affine), stored)

    def read(self, mask, kind, classes=CLASSES):
        files = [source(data_of(self.image))]
        case = decode_sample(files, 1, Limits())
        place = {"size": case.size, "affine": case.grid.affine, "images": files}
        return decode_mask(source(mask), Limits(), kind, classes=classes, **place)

    def refused(self):
        with pytest.raises(CaseError) as caught:
            self.read(written(self.segments), "multiclass")
        return caught.value.kind, caught.value.reason


@pytest.mark.parametrize("stored", ["LPS", "RAS", "LAS", "SRP", "AIL"])
@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), OBLIQUE, (0, 1, 0, 0, 0, -1)])
def test_segments_lie_where_the_same_mask_as_nifti_does(stored, orientation):
    pair = Pair(stored, orientation)
    expected = pair.read(data_of(pair.labels), "multiclass")
    assert expected.any()
    found = pair.read(written(pair.segments), "multiclass")
    assert np.array_equal(found, expected)
    each = pair.read(written(pair.segments), "multilabel", ("kidney", "tumour"))
    assert np.array_equal(each, np.stack([expected == 1, expected == 2]))
    assert np.array_equal(pair.read(written(pair.segments), "binary", ("tumour",)), expected == 2)


def test_segments_that_lie_elsewhere_are_refused():
    kind, reason = Pair("LPS", shift=0.3).refused()
    assert kind == "mask_size"
    assert "nor lies on one of them" in reason
    across = Pair("LPS")
    across.image = nibabel.Nifti1Image(np.zeros((10, 6, 8), np.int16), across.affine)
    assert across.refused() == (
        "mask_size",
        "the mask has frames of 8 x 10 pixels, the image's slices along them 6 x 10",
    )


def test_frames_have_to_say_where_they_lie():
    pair = Pair("LPS")
    for frame in pair.segments.PerFrameFunctionalGroupsSequence:
        del frame.PlanePositionSequence
    kind, reason = pair.refused()
    assert kind == "mask_size"
    assert "do not say where they lie" in reason
    assert "or give the image as DICOM" in reason


def test_damaged_segmentations_are_read_or_refused():
    """As ground truth of their images and of a volume; ``benchmarks.fuzz_dicom`` tries more."""
    rng = random.Random(7)
    affine = np.array([[0, 0, -0.5, 10], [0, -0.7, 0, 20], [2.5, 0, 0, 30], [0, 0, 0, 1.0]])
    kinds = set()
    for _ in range(200):
        pair = damaged(rng)
        count = len(pair.images)
        size = (8, 10) if count == 1 else (count, 8, 10)
        images = [source(data) for data in pair.images]
        for place in ({"size": size, "images": images}, {"size": (count, 8, 10), "affine": affine}):
            try:
                truth = decode_mask(source(pair.mask), Limits(pixels=10**6), "multiclass", classes=CLASSES, **place)
                assert truth.shape == place["size"]
                assert truth.max() < len(CLASSES)
                kinds.add("read")
            except CaseError as error:  # anything else fails this test
                kinds.add(error.kind)
    assert {"read", "mask_unreadable"} <= kinds
