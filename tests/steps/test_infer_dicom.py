"""DICOM through the step, beside other formats: what is done, what fails and why, and no patient in what it says."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests import small_run
from tests.imaging_core.decode.dicom_objects import ct_series, dicom, written
from tests.small_run import PROJECT, make_bundle, records, split

ENTRIES = [
    {"location": "xray.dcm", "label": "other"},
    {"location": "photograph.png", "label": "bone"},
    {"location": [f"series/{number}.dcm" for number in range(4)], "label": "bone"},
    {"location": [f"series/{number}.dcm" for number in (0, 1, 3)], "label": "bone"},
    {"location": "truncated.dcm", "label": "bone"},
    {"location": "report.dcm", "label": "bone"},
]
SECRETS = ("Doe", "Jane", "4711")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dicom")
    data = folder / "data"
    (data / "series").mkdir(parents=True)
    ramp = np.add.outer(np.arange(40), np.arange(50)).astype(np.uint16) * 40
    image = dicom(ramp, BitsStored=12, PhotometricInterpretation="MONOCHROME1", WindowCenter=2000, WindowWidth=3000)
    (data / "xray.dcm").write_bytes(written(image))
    Image.fromarray(small_run.crop(1)).save(data / "photograph.png")
    for number, each in enumerate(ct_series(np.stack([ramp[:30, :20] - 1000] * 4).astype(np.int16))):
        (data / "series" / f"{number}.dcm").write_bytes(written(each))
    (data / "truncated.dcm").write_bytes(written(image)[:-500])
    del image.PixelData
    image.PatientAge = "Jane Doe's"  # no age: pydicom quotes what it warns of
    (data / "report.dcm").write_bytes(written(image))
    small_run.write_dataset(data, ENTRIES, ["bone", "other"])
    return folder


def run_with(place, name, **seen):
    """A run that is split, and a bundle that sees DICOM so."""
    make_bundle(
        place / name,
        "classification",
        "multiclass",
        ["bone", "other"],
        input={"height": 32, "width": 32, "channels": 3, **seen},
    )
    split(place / "data" / "crops.yml", place / f"run-{name}", 1)
    return place / f"run-{name}"


def scores_with(place, name, **seen):
    """What such a bundle says of the cases that can be read."""
    run = run_with(place, name, **seen)
    small_run.infer(run, place / name)
    return {case: record.scores for case, record in records(run).items() if record.state == "done"}


@pytest.fixture(scope="module")
def windowed(place):
    """A run, and what the step printed."""
    run = run_with(place, "windowed")
    command = [sys.executable, "-m", "steps.infer", *small_run.arguments_of(run, place / "windowed"), "--device", "cpu"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    return run, done.stdout + done.stderr


def test_each_sample_is_done_or_says_what_is_wrong_with_it(windowed):
    found = [record for _, record in sorted(records(windowed[0]).items())]
    assert [(record.state, record.size, record.inputs) for record in found[:3]] == [
        ("done", (40, 50), 1),
        ("done", (41, 51), 1),
        ("done", (4, 30, 20), 4),
    ]
    assert [(record.kind, record.reason) for record in found[3:]] == [
        ("unsupported", "slices are missing or uneven: a step of 5 mm among steps of 2.5 mm"),
        ("unreadable", "the DICOM pixels are truncated"),
        ("unsupported", "this DICOM object holds no pixels (Secondary Capture Image Storage)"),
    ]


def test_no_patient_is_in_the_run_or_in_what_the_step_says(windowed):
    run, said = windowed
    assert not any(secret in said for secret in SECRETS)
    for path in (path for path in run.rglob("*") if path.is_file()):
        assert not any(secret.encode() in path.read_bytes() for secret in SECRETS), path


def test_the_card_says_which_greys_a_model_sees(place, windowed):
    shown = {case: record.scores for case, record in records(windowed[0]).items() if record.state == "done"}
    measured = scores_with(place, "measured", dicom="rescaled", clip=[0, 4095])
    assert shown["1"] == scores_with(place, "same", dicom="rescaled")["1"]  # a photograph
    assert shown["0"] != measured["0"]
    assert shown["2"] != measured["2"]
