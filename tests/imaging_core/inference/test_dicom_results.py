"""DICOM results of masks that show little or nothing are whole, and what the standard says; why a case has none."""

import copy
import io
import shutil
import subprocess

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from imaging_core.decode.case import Limits
from imaging_core.decode.registry import decode_sample
from imaging_core.inference.dicom_results.maker import ResultsMaker
from imaging_core.inference.head import Outcome
from imaging_core.inference.task import Task, Truth
from imaging_core.inference.under_way import OpenCase
from imaging_core.models.card import UNPACKED, make_card
from imaging_core.store import Location
from imaging_core.store.memory import MemorySource
from tests.imaging_core.decode.dicom_objects import ct_series, dicom, written

SIZE = (3, 8, 10)
STUDY = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid(), "Modality": "CT"}
SHOWN = {"WindowCenter": 10, "WindowWidth": 100}
PIXELS = np.zeros(SIZE, np.uint8)
IMAGES = {
    "series": ct_series(PIXELS.astype(np.int16), **STUDY, FrameOfReferenceUID=generate_uid()),
    "film": [dicom(PIXELS, **STUDY, **SHOWN, SOPClassUID="1.2.840.10008.5.1.4.1.1.7.2")],
    "of a vendor's class": [dicom(PIXELS[0], **STUDY, **SHOWN, SOPClassUID="1.2.3.4")],
}
NAME = "a name\\with a backslash, and more than 64 characters, which is all that DICOM has room for"
CLASSES = {"binary": [NAME], "multiclass": ["none", NAME, "tumour"], "multilabel": [NAME, "tumour"]}


class Masks:
    """What the head gives of a case."""

    weight = 0

    def __init__(self, mask):
        self._said = {"mask": mask}

    def said(self):
        return self._said


def made(kind, images, shown):
    """What is made of a mask in which only this class is somewhere in the last slice, and what is said of the rest."""
    output = {"kind": kind, "activation": "sigmoid" if kind != "multiclass" else "softmax", "classes": CLASSES[kind]}
    values = {
        "name": NAME,
        "task": "segmentation",
        "architecture": {"name": "unet"},
        "input": {"height": 32, "width": 32, "channels": 1},
        "batch": 1,
        "output": output,
        "weights": UNPACKED.model_dump(),
    }
    files = tuple(MemorySource(Location.parse("/data/x.dcm"), written(each)) for each in images)
    case = decode_sample(files, 1, Limits())
    mask = np.zeros(case.size, np.uint8)
    mask.reshape(-1, *SIZE[1:])[-1, 2:4, 3:5] = shown
    if kind == "multilabel":
        mask = np.stack([mask == 1, mask == 2])
    outcome = Outcome({"outputs": {"mask": "m"}})
    opened = OpenCase(Task(0, "0", files, Truth()), case.size, case.count, case.grid)
    maker = ResultsMaker(make_card(values, "test"), "ab" * 32, Limits(), "anonymous")
    maker(opened, Masks(mask if kind != "binary" else mask == 1), outcome)
    return outcome, list(maker.left_out)


@pytest.mark.parametrize("image", list(IMAGES))
@pytest.mark.parametrize(("kind", "shown"), [("binary", 0), ("multiclass", 2), ("multilabel", 0), ("multilabel", 1)])
def test_segments_that_show_nothing_are_there_all_the_same(kind, image, shown, tmp_path):
    outcome, left_out = made(kind, IMAGES[image], shown)
    files = outcome.files
    assert outcome.fields["outputs"] == {"mask": "m", "dicom_seg": "outputs/0.seg.dcm", "dicom_sr": "outputs/0.sr.dcm"}
    assert not left_out
    assert files == made(kind, IMAGES[image], shown)[0].files, "the same again"
    segmentation = pydicom.dcmread(io.BytesIO(files["outputs/0.seg.dcm"]))
    assert len(segmentation.SegmentSequence) == len(CLASSES[kind]) - (kind == "multiclass")
    assert segmentation.pixel_array.sum() == (4 if shown else 0)
    report = highdicom.sr.srread(io.BytesIO(files["outputs/0.sr.dcm"])).content
    groups = [*report.get_planar_roi_measurement_groups(), *report.get_volumetric_roi_measurement_groups()]
    sizes = [group.get_measurements()[0].value for group in groups]
    assert [size > 0 for size in sizes] == [number == shown for number in range(1, len(sizes) + 1)]
    if shutil.which("dciodvfy"):
        for key, data in files.items():
            (tmp_path / key[-7:]).write_bytes(data)
            said = subprocess.run(["dciodvfy", tmp_path / key[-7:]], capture_output=True, text=True)
            errors = [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")]
            assert not errors or image == "of a vendor's class", errors


@pytest.mark.parametrize(
    ("element", "values", "why"),
    [
        ("SOPInstanceUID", ["1.2", "1.2", "1.3"], "several files of the image have one SOPInstanceUID"),
        ("SOPInstanceUID", ["1.2", "", "1.3"], "the image's DICOM header has no SOPInstanceUID"),
        ("FrameOfReferenceUID", ["1.2", "1.2", ""], "the image's DICOM header has no FrameOfReferenceUID"),
    ],
)
def test_what_cannot_be_referred_to_has_no_results(element, values, why):
    images = copy.deepcopy(IMAGES["series"])
    for image, value in zip(images, values, strict=True):
        setattr(image, element, value)
    outcome, left_out = made("binary", images, 1)
    assert outcome.fields["outputs"] == {"mask": "m"}
    assert left_out == [f"no DICOM results of 1 case: {why}"]
