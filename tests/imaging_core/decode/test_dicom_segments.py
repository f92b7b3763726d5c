"""DICOM segmentations as ground truth: highdicom writes them, and each pixel comes back in its slice and its class."""

import numpy as np
import pytest
from pydicom.uid import generate_uid

from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.mask import decode_mask
from imaging_core.decode.registry import decode_sample
from tests.imaging_core.decode.dicom_objects import ct_series, dicom, written
from tests.imaging_core.decode.segment_objects import STUDY, segmentation, study

RANDOM = np.random.default_rng(5)
VOXELS = RANDOM.integers(-200, 2000, (6, 8, 10), np.int16)
CLASSES = ("background", "Kidney", "tumour")


class Image:
    """Files of one image, with which masks are read."""

    def __init__(self, source, images):
        self.images = images
        self.files = [source(written(each)) for each in images]
        case = decode_sample(self.files, 1, Limits())
        self.place = {"size": case.size, "affine": None if case.grid is None else case.grid.affine}
        self._source = source

    def mask(self, segmentation, kind="multiclass", classes=CLASSES, **instead):
        arguments = {"images": self.files, **self.place, **instead}
        return decode_mask(self._source(written(segmentation)), Limits(), kind, classes=classes, **arguments)

    def refused(self, segmentation, *arguments, **instead):
        with pytest.raises(CaseError) as caught:
            self.mask(segmentation, *arguments, **instead)
        return caught.value.kind, caught.value.reason


@pytest.fixture
def series(source):
    return Image(source, ct_series(VOXELS, **study()))


@pytest.fixture
def truth():
    """Class indices; two slices show nothing, and have no frame."""
    classes = RANDOM.integers(0, 3, VOXELS.shape, np.uint8)
    classes[[0, 3]] = 0
    return classes


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_segments_of_a_series_are_classes_by_their_labels(series, truth, kind):
    made = segmentation(series.images, truth, kind)
    assert 0 < made.NumberOfFrames < 12
    assert (series.mask(made) == truth).all()
    assert (series.mask(made, "multilabel", ("tumour", "KIDNEY")) == np.stack([truth == 2, truth == 1])).all()
    assert (series.mask(made, "binary", ("tumour",)) == (truth == 2)).all()


def test_fractions_count_from_a_half_on(series):
    fractions = RANDOM.random(VOXELS.shape).astype(np.float32)
    made = segmentation(series.images, fractions, "FRACTIONAL", ["lesion"], max_fractional_value=200)
    assert (series.mask(made, "binary", ("lesion",)) == (np.around(fractions * 200) >= 100)).all()


@pytest.mark.parametrize("lost", ["references", "positions"])
def test_frames_find_their_slices_by_either(series, truth, lost):
    made = segmentation(series.images[::-1], truth[::-1])
    for frame in made.PerFrameFunctionalGroupsSequence:
        if lost == "references":
            del frame.DerivationImageSequence
        else:
            del frame.PlanePositionSequence
    assert (series.mask(made) == truth).all()


def test_a_slice_of_a_series_takes_its_frames_only(series, source, truth):
    made = segmentation(series.images, truth)
    for number in (3, 4):
        one = Image(source, [series.images[number]])
        assert (one.mask(made) == truth[number]).all()


def test_without_any_label_of_a_class_numbers_are_classes(series, truth):
    made = segmentation(series.images, truth, labels=["a", "b"])
    assert (series.mask(made) == truth).all()
    assert (series.mask(made, "multilabel", ("x", "y")) == np.stack([truth == 1, truth == 2])).all()
    only = segmentation(series.images, truth > 1, labels=["anything"])
    assert (series.mask(only, "binary", ("x",)) == (truth > 1)).all()


def test_an_image_without_a_place(source):
    pixels = RANDOM.integers(0, 4000, (8, 10), np.uint16)
    elements = {**STUDY, "StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    image = Image(source, [dicom(pixels, **elements)])
    truth = RANDOM.integers(0, 3, (8, 10), np.uint8)
    made = segmentation(image.images, truth)
    assert (image.mask(made) == truth).all()
    assert (image.mask(made, images=()) == truth).all(), "one frame a segment fits any image of its size"
    other = Image(source, [dicom(pixels, **elements)])
    assert other.refused(made)[0] == "mask_size"


def test_what_does_not_fit_is_named(series, source, truth):
    made = segmentation(series.images, truth)
    kind, reason = series.refused(segmentation(series.images, truth, labels=["kidney", "Doe^Jane"]))
    assert kind == "mask_value"
    assert "segment 2 of the mask" in reason
    assert "Doe" not in reason
    assert series.refused(segmentation(series.images, truth, labels=["a", "b"]), "binary", ("x",))[0] == "mask_value"
    overlapping = np.ones((*VOXELS.shape, 2), np.uint8)
    assert "overlap" in series.refused(segmentation(series.images, overlapping))[1]
    elsewhere = Image(source, ct_series(VOXELS, **study(), ImagePositionPatient=None)[:1])
    del elsewhere.images[0].ImagePositionPatient
    assert elsewhere.refused(made)[0] == "mask_size"
    for frame in made.PerFrameFunctionalGroupsSequence:
        frame.PlanePositionSequence[0].ImagePositionPatient[0] += 0.4
    assert "lies elsewhere" in series.refused(made)[1]
    assert "wants a DICOM image" in series.refused(made, images=(), affine=None)[1]
    assert "8 x 10 pixels" in series.refused(made, size=(6, 9, 10), images=())[1]
    described, made.SegmentSequence = made.SegmentSequence, []
    assert series.refused(made)[0] == "mask_unreadable"
    made.SegmentSequence, made.NumberOfFrames = described, 2_000_000
    assert "of each frame" in series.refused(made)[1]
