"""``steps.infer --dicom-results``: segmentations and reports that other programs read, with what our outputs hold."""

import csv
import io
import json
import re
import shutil
import subprocess
import sys

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image
from pydicom.uid import generate_uid

from steps import gather
from tests import small_run
from tests.imaging_core.decode.dicom_objects import PATIENT, ct_series, dicom, item, written
from tests.small_run import PROJECT, compared, infer, make_bundle, records, split

SIDE, SLICES = 32, 5
CLASSES = {"binary": ["lesion"], "multiclass": ["background", "liver", "tumour"], "multilabel": ["liver", "tumour"]}
WHOSE = {
    "PatientName": PATIENT,
    "PatientID": "4711-Doe",
    "PatientBirthDate": "19700101",
    "AccessionNumber": "A77-Doe",
    "InstitutionName": "Clinic Doe",
    "StudyDate": "20240102",
    "StudyTime": "101112",
}
SECRETS = ("Jane", "4711-Doe", "Clinic Doe", "A77-Doe", "19700101", "20240102")
"""Parts of these, long enough that no digest, UID or packed mask holds them by chance."""
ENHANCED_CT, MANY_FRAMES = "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.7.3"
SERIES, XRAY, FILM, FRAMES, SEVERAL, NAMELESS, PHOTOGRAPH = range(7)
DICOM = [SERIES, XRAY, FILM, FRAMES, SEVERAL]
PARTS = ["odd.dcm", "even.dcm", "last.dcm"]
"""The files of SEVERAL; the slices of the first two interleave, and the last is one single frame."""


def study(**elements):
    return {
        **WHOSE,
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "FrameOfReferenceUID": generate_uid(),
        "Modality": "CT",
        **elements,
    }


def enhanced(voxels, order, **of_study):
    """An enhanced multi-frame CT, its frames in this order."""
    elements = {"SOPClassUID": ENHANCED_CT, "BitsStored": 12, "WindowCenter": 1000, "WindowWidth": 2000}
    frames = dicom(voxels[order], **(of_study or study()), **elements)
    frames.SharedFunctionalGroupsSequence = item(
        PlaneOrientationSequence=item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
        PixelMeasuresSequence=item(PixelSpacing=[0.7, 0.5], SliceThickness=2),
    )
    positions = [item(ImagePositionPatient=[-10.0, -20.0, 30.0 + 2 * number]) for number in order]
    frames.PerFrameFunctionalGroupsSequence = [item(PlanePositionSequence=position)[0] for position in positions]
    return frames


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A series, a radiograph, a film, an enhanced object, several, one without a study, and a photograph."""
    folder = tmp_path_factory.mktemp("data")
    ramp = np.add.outer(np.arange(40), np.arange(50)).astype(np.int16) * 20
    voxels = np.stack([np.roll(ramp, 7 * number, 1) for number in range(SLICES)])
    shown = {"BitsStored": 12, "WindowCenter": 1000, "WindowWidth": 2000}
    slices = ct_series(voxels, **study(), SliceThickness=2.5, WindowCenter=0, WindowWidth=2000)
    radiograph = dicom(ramp.astype(np.uint16), **study(PixelSpacing=[0.2, 0.3]), **shown)
    nameless = dicom(ramp.astype(np.uint16), **shown)
    film = dicom(voxels.astype(np.uint16), **study(SOPClassUID=MANY_FRAMES), **shown)
    del radiograph.FrameOfReferenceUID, film.FrameOfReferenceUID
    files = {f"{number}.dcm": each for number, each in enumerate(slices)}
    files |= {"xray.dcm": radiograph, "film.dcm": film, "nameless.dcm": nameless}
    files["enhanced.dcm"] = enhanced(voxels.astype(np.uint16), [3, 0, 4, 1, 2])
    one_study = study()
    for name, order in zip(PARTS, ([3, 1], [0, 2], [4]), strict=True):
        files[name] = enhanced(voxels.astype(np.uint16), order, **one_study)
    for name, each in files.items():
        (folder / name).write_bytes(written(each))
    Image.fromarray(small_run.crop(1)).save(folder / "photograph.png")
    series = [f"{number}.dcm" for number in (2, 0, 4, 1, 3)]
    names = [series, "xray.dcm", "film.dcm", "enhanced.dcm", PARTS, "nameless.dcm", "photograph.png"]
    small_run.write_dataset(folder, [{"location": name} for name in names])
    return folder


def infer_all(place, data, task, kind, classes, *options, shards=1, dataset="crops.yml"):
    """A run of a model of this kind."""
    picture = np.add.outer(np.arange(SIDE), np.arange(SIDE))[..., None].repeat(3, 2).astype(np.uint8) * 2
    model = place / f"{task}-{kind}"
    seen = {"height": SIDE, "width": SIDE, "channels": 3, "orientation": "LPS"}
    if not model.exists():
        make_bundle(model, task, kind, classes, picture=picture, input=seen)
    run = place / f"run-{len(list(place.iterdir()))}"
    split(data / dataset, run, shards)
    for number in range(shards):
        infer(run, model, f"{number:03d}", *options)
    return run


@pytest.fixture(scope="module", params=list(CLASSES))
def segmented(request, data, tmp_path_factory):
    """A run, its kind, and the folder of its model."""
    place = tmp_path_factory.mktemp(request.param)
    kind = request.param
    return infer_all(place, data, "segmentation", kind, CLASSES[kind], "--dicom-results"), kind, place


@pytest.fixture(scope="module", params=list(CLASSES))
def classified(request, data, tmp_path_factory):
    place, kind = tmp_path_factory.mktemp(request.param), request.param
    classes = ["benign", "malignant"] if kind == "binary" else CLASSES[kind]
    return infer_all(place, data, "classification", kind, classes, "--dicom-results", "identified"), kind, classes


def own_mask(run, case, kind):
    """What our own output holds, slices x rows x columns x classes (of a multiclass one without class 0)."""
    if (run / f"outputs/{case}.nii.gz").exists():
        mask = np.asanyarray(nibabel.load(run / f"outputs/{case}.nii.gz").dataobj)
        mask = np.moveaxis(mask.reshape(*mask.shape[:3], -1), [0, 1, 2], [2, 1, 0])
    elif kind == "multilabel":
        mask = np.moveaxis(tifffile.imread(run / f"outputs/{case}.tif"), 0, -1)[None]
    else:
        mask = np.array(Image.open(run / f"outputs/{case}.png"))[None, ..., None]
    return np.concatenate([mask == 1, mask == 2], axis=-1) if kind == "multiclass" else mask > 0


def slices_of(data, case):
    """SOP Instance UID and frame of each slice of a case, in the order of our outputs."""
    if case == SERIES:
        return [(pydicom.dcmread(data / f"{number}.dcm").SOPInstanceUID, None) for number in range(SLICES)]
    if case == SEVERAL:
        odd, even, last = (pydicom.dcmread(data / name).SOPInstanceUID for name in PARTS)
        return [(even, 1), (odd, 2), (even, 2), (odd, 1), (last, None)]
    instance = pydicom.dcmread(data / {XRAY: "xray.dcm", FILM: "film.dcm", FRAMES: "enhanced.dcm"}[case]).SOPInstanceUID
    if case == XRAY:
        return [(instance, None)]
    return [(instance, 1 + number) for number in ([1, 3, 4, 0, 2] if case == FRAMES else range(SLICES))]


def test_segmentations_hold_the_masks_of_our_own_outputs(segmented, data):
    run, kind, _ = segmented
    for case in DICOM:
        expected, places = own_mask(run, case, kind), slices_of(data, case)
        assert expected.any()
        made = highdicom.seg.segread(run / records(run)[str(case)].outputs["dicom_seg"])
        labels = CLASSES[kind][1:] if kind == "multiclass" else CLASSES[kind]
        assert [segment.SegmentLabel for segment in made.SegmentSequence] == labels
        assert {segment.SegmentAlgorithmType for segment in made.SegmentSequence} == {"AUTOMATIC"}
        found = np.zeros_like(expected)
        frames = made.pixel_array.reshape(-1, made.Rows, made.Columns)
        shared = made.SharedFunctionalGroupsSequence[0]
        for pixels, group in zip(frames, made.PerFrameFunctionalGroupsSequence, strict=True):
            (reference,) = group.DerivationImageSequence[0].SourceImageSequence
            place = places.index((reference.ReferencedSOPInstanceUID, reference.get("ReferencedFrameNumber")))
            segment = (group if "SegmentIdentificationSequence" in group else shared).SegmentIdentificationSequence[0]
            found[place, ..., segment.ReferencedSegmentNumber - 1] = pixels
        assert (found == expected).all()
        if case in (SERIES, FRAMES, SEVERAL):
            whole = made.get_volume(combine_segments=False)
            assert whole.spacing == (pytest.approx(2.5 if case == SERIES else 2), 0.7, 0.5)


def test_they_belong_to_their_images(segmented, data):
    run, _, _ = segmented
    for case, name in zip(DICOM, ("0.dcm", "xray.dcm", "film.dcm", "enhanced.dcm", PARTS[0]), strict=True):
        image = pydicom.dcmread(data / name)
        for extension in ("seg", "sr"):
            made = pydicom.dcmread(run / f"outputs/{case}.{extension}.dcm")
            assert made.StudyInstanceUID == image.StudyInstanceUID
            assert made.SeriesInstanceUID != image.SeriesInstanceUID
            instances = sorted({instance for instance, _ in slices_of(data, case)})
            if extension == "seg":
                assert made.get("FrameOfReferenceUID") == image.get("FrameOfReferenceUID")
                (series,) = made.ReferencedSeriesSequence
                assert series.SeriesInstanceUID == image.SeriesInstanceUID
                classes = {each.ReferencedSOPClassUID for each in series.ReferencedInstanceSequence}
                assert classes == {image.SOPClassUID}
                assert sorted(each.ReferencedSOPInstanceUID for each in series.ReferencedInstanceSequence) == instances
            else:
                (evidence,) = made.CurrentRequestedProcedureEvidenceSequence
                of_images = evidence.ReferencedSeriesSequence[0].ReferencedSOPSequence
                assert sorted(each.ReferencedSOPInstanceUID for each in of_images) == instances
        assert made.ManufacturerModelName == "segmentation-" + segmented[1]


def test_reports_measure_what_the_masks_show(segmented):
    run, kind, _ = segmented
    voxel = {SERIES: (0.7 * 0.5 * 2.5, "mm3"), XRAY: (0.2 * 0.3, "mm2"), FILM: (1, "{pixels}"), FRAMES: (0.7, "mm3")}
    voxel[SEVERAL] = voxel[FRAMES]
    for case in DICOM:
        content = highdicom.sr.srread(run / records(run)[str(case)].outputs["dicom_sr"]).content
        groups = [*content.get_planar_roi_measurement_groups(), *content.get_volumetric_roi_measurement_groups()]
        counts = own_mask(run, case, kind).sum(axis=(0, 1, 2))
        size, unit = voxel[case]
        assert len(groups) == len(counts)
        for group, count in zip(groups, counts, strict=True):
            (measured,) = group.get_measurements()
            assert measured.value == pytest.approx(count * size, rel=1e-9)
            assert measured.unit.value == unit


def test_reports_hold_the_scores_of_the_ledger(classified):
    run, kind, classes = classified
    for case in DICOM:
        record = records(run)[str(case)]
        assert list(record.outputs) == ["dicom_sr"]
        content = highdicom.sr.srread(run / record.outputs["dicom_sr"]).content
        (group,) = content.get_image_measurement_groups()
        scores = {each.name.meaning: each.value for each in group.get_measurements()}
        assert scores == dict(zip(classes[-len(record.scores) :], record.scores, strict=True))
        found = [each.value.meaning for each in group.get_qualitative_evaluations()]
        match kind:
            case "multiclass":
                assert found == [classes[int(np.argmax(record.scores))]]
            case "binary":
                assert found == [classes[record.scores[0] >= 0.5]]
            case _:
                assert found == [name for name, score in scores.items() if score >= 0.5]


def check_by_others(run):
    """dciodvfy finds no error; DCMTK reads the reports where it is there, too."""
    files = sorted((run / "outputs").glob("*.dcm"))
    for path in files:
        done = subprocess.run(["dciodvfy", path], capture_output=True, text=True)
        assert not [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")], path
        if path.name.endswith(".sr.dcm") and shutil.which("dsrdump"):
            done = subprocess.run(["dsrdump", path], capture_output=True, text=True)
            assert (done.returncode, "Error" in done.stderr) == (0, False), done.stderr
    return len(files)


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dciodvfy is not installed (Debian: dicom3tools)")
def test_segmentations_and_measurements_are_what_the_standard_says(segmented):
    assert check_by_others(segmented[0]) == 2 * len(DICOM)


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dciodvfy is not installed (Debian: dicom3tools)")
def test_scores_are_what_the_standard_says(classified):
    assert check_by_others(classified[0]) == len(DICOM)


def test_anonymous_ones_name_nobody(segmented):
    run, _, _ = segmented
    for path in (path for path in run.rglob("*") if path.is_file()):
        assert not any(secret.encode() in path.read_bytes() for secret in SECRETS), path
    made = pydicom.dcmread(run / "outputs/0.seg.dcm")
    assert (made.PatientName, made.PatientID, made.StudyDate, made.PatientIdentityRemoved) == ("", "", "", "YES")


def test_identified_ones_alone_say_whose_they_are(classified, data):
    run, _, _ = classified
    for case in DICOM:
        made = pydicom.dcmread(run / f"outputs/{case}.sr.dcm")
        assert {name: made[name].value for name in WHOSE} == WHOSE
        assert made.ContentDate == WHOSE["StudyDate"]
    for path in (path for path in run.rglob("*") if path.is_file() and path.suffix != ".dcm"):
        assert not any(secret.encode() in path.read_bytes() for secret in SECRETS), path


def test_shards_resuming_and_the_cache_give_the_same_bytes(segmented, data, capsys):
    run, kind, place = segmented
    outputs = {name: each for name, each in compared(run).items() if name.startswith("outputs/")}
    asked = ("--dicom-results", "anonymous", "--cache", str(place / "cache"))
    three = infer_all(place, data, "segmentation", kind, CLASSES[kind], *asked, shards=3)
    (three / "outputs/0.seg.dcm").unlink()
    for path in [*(three / "results").rglob("summary.json"), *(three / "results").rglob("00000.jsonl")]:
        path.unlink()
    capsys.readouterr()
    for shard in ("000", "001", "002"):
        infer(three, place / f"segmentation-{kind}", shard, *asked)
    assert "from the cache" in capsys.readouterr().out
    assert {name: each for name, each in compared(three).items() if name.startswith("outputs/")} == outputs


def test_what_is_asked_later_is_done_later_and_only_once(data, tmp_path, capsys):
    run = infer_all(tmp_path, data, "segmentation", "binary", CLASSES["binary"])
    assert not list((run / "outputs").glob("*.dcm"))
    infer(run, tmp_path / "segmentation-binary", "000", "--dicom-results")
    said = capsys.readouterr().out
    assert "no DICOM results of 1 case: the image is not DICOM" in said
    assert "no DICOM results of 1 case: the image's DICOM header has no StudyInstanceUID" in said
    assert len(list((run / "outputs").glob("*.dcm"))) == 2 * len(DICOM)
    infer(run, tmp_path / "segmentation-binary", "000", "--dicom-results")
    assert "complete already" in capsys.readouterr().out
    assert gather.main(["--run", str(run)]) == 0
    lines = list(csv.DictReader(io.StringIO((run / "report/predictions.csv").read_text())))
    assert [(line["dicom_seg"], line["dicom_sr"]) for line in lines] == [
        (f"outputs/{case}.seg.dcm", f"outputs/{case}.sr.dcm") if case in DICOM else ("", "") for case in range(7)
    ]


def test_they_are_ground_truth_of_their_images(segmented, data):
    run, kind, place = segmented
    for case in DICOM:
        shutil.copy(run / f"outputs/{case}.seg.dcm", data / f"{kind}-{case}.seg.dcm")
    names = [[f"{number}.dcm" for number in range(SLICES)], "xray.dcm", "film.dcm", "enhanced.dcm", PARTS]
    entries = [{"location": name, "label": f"{kind}-{case}.seg.dcm"} for case, name in enumerate(names)]
    dataset = {"name": "again", "images": entries, "split": {"test": list(range(len(entries)))}}
    (data / f"{kind}.yml").write_text(json.dumps(dataset))
    scored = infer_all(place, data, "segmentation", kind, CLASSES[kind], dataset=f"{kind}.yml")
    for record in records(scored).values():
        assert (record.state, record.reason) == ("done", None)
        for counts in record.counts.values():
            assert counts.fp == counts.fn == 0


def test_a_damaged_identity_is_left_out_and_never_told(data, tmp_path):
    image = pydicom.dcmread(data / "xray.dcm")
    image.add_new("PatientBirthDate", "LO", "Jane Doe's birthday")
    image.add_new("PatientSex", "LO", "Jane")
    image.save_as(tmp_path / "xray.dcm")
    small_run.write_dataset(tmp_path, [{"location": "xray.dcm"}])
    make_bundle(tmp_path / "model", "classification", "multiclass", ["bone", "air"])
    split(tmp_path / "crops.yml", tmp_path / "run", 1)
    arguments = small_run.arguments_of(tmp_path / "run", tmp_path / "model", "000", "--dicom-results", "identified")
    command = [sys.executable, "-m", "steps.infer", *arguments, "--device", "cpu"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert not any(secret in done.stdout + done.stderr for secret in SECRETS)
    made = pydicom.dcmread(tmp_path / "run/outputs/0.sr.dcm")
    assert (made.PatientID, made.PatientBirthDate, made.PatientSex) == (WHOSE["PatientID"], "", "")
    assert re.fullmatch(r"2\.25\.[1-9]\d*", made.SOPInstanceUID)
