"""Series and multi-frame objects as volumes: in the order of their places, or refused for what is wrong with them."""

import copy
import random

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.dicom_series import Plane, in_order
from imaging_core.decode.mask import decode_mask
from imaging_core.decode.registry import decode_sample
from tests.imaging_core.decode.dicom_objects import ct_series, dicom, item, written

RESCALED = Limits(dicom="rescaled")
VOXELS = np.random.default_rng(2).integers(-200, 2000, (6, 4, 5), np.int16)


def refused(decode_volume, datasets):
    with pytest.raises(CaseError) as caught:
        decode_volume([written(dataset) for dataset in datasets])
    assert caught.value.kind == "unsupported"
    return caught.value.reason


def test_a_series_is_one_volume_however_its_files_are_listed(decode_volume):
    """Instance numbers run the other way round (see ``ct_series``): positions count."""
    files = [written(dataset) for dataset in ct_series(VOXELS)]
    random.Random(3).shuffle(files)
    volume = decode_volume(files, RESCALED)
    assert (volume.voxels[..., 0] == VOXELS - 1024.0).all()
    assert volume.voxels.dtype == np.float32
    expected = [[0, 0, -0.5, 10], [0, -0.7, 0, 20], [2.5, 0, 0, 30], [0, 0, 0, 1]]
    np.testing.assert_allclose(volume.affine, expected)


def test_a_model_sees_the_slices_one_by_one(source):
    sources = [source(written(dataset)) for dataset in ct_series(VOXELS)]
    case = decode_sample(sources, 1, RESCALED)
    inputs = list(case.inputs)
    assert (case.size, case.count) == ((6, 4, 5), 6)
    seen = np.stack([each.pixels[:, :, 0] for each in inputs])
    assert (seen == case.grid.seen(VOXELS - 1024.0)).all()


@given(
    st.permutations(range(7)),
    st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: np.linalg.norm(v) > 0.1),
    st.floats(0, 6.28),
    st.floats(0.2, 9),
    st.floats(-0.3, 0.3),
)
@settings(max_examples=200)
def test_any_orientation_gives_each_voxel_its_place(order, axis, angle, step, tilt):
    """Rotated about any axis (Rodrigues), and with slices shifted within their planes as a tilted gantry does."""
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    rotation = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    along_row, along_column, normal = rotation.T
    start = np.array([5.0, -7.0, 11.0])
    move = step * (normal + tilt * along_column)
    planes = [Plane(start + number * move, along_row, along_column, (0.6, 0.4)) for number in order]
    found, affine = in_order(planes)
    assert [order[number] for number in found] == list(range(7))
    for slice_, row, column in ((0, 0, 0), (6, 3, 2), (2, 9, 1)):
        left, posterior, superior = start + slice_ * move + row * 0.6 * along_column + column * 0.4 * along_row
        np.testing.assert_allclose(affine @ [slice_, row, column, 1], [-left, -posterior, superior, 1], atol=1e-9)


def test_rounded_positions_are_regular_enough(decode_volume):
    datasets = ct_series(VOXELS, step=0.625)
    for dataset in datasets:
        dataset.ImagePositionPatient[2] = round(dataset.ImagePositionPatient[2], 2)
    assert decode_volume([written(dataset) for dataset in datasets]).voxels.shape == (6, 4, 5, 1)


def without(number):
    return lambda series: series[:number] + series[number + 1 :]


def changed(number, **elements):
    def change(series):
        for name, value in elements.items():
            setattr(series[number], name, value)
        return series

    return change


def framed(*uids):
    def change(series):
        for image, uid in zip(series, uids, strict=False):
            image.FrameOfReferenceUID = uid
        return series

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without(3), "slices are missing or uneven: a step of 5 mm among steps of 2.5 mm"),
        (lambda series: [*series, copy.deepcopy(series[2])], "2 slices share a place"),
        (changed(2, ImageOrientationPatient=[1, 0, 0, 0, 0, -1]), "different orientations"),
        (changed(2, PixelSpacing=[0.7, 0.6]), "different pixel spacings"),
        (changed(2, ImagePositionPatient=[-10, -17, 35]), "beside its place"),
        (changed(2, SeriesInstanceUID="1.2.3"), "different series"),
        (framed("1.2.3", "1.2.4"), "different frames of reference"),
        (changed(2, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "localizer"),
        (changed(2, ImagePositionPatient=None), "do not say where"),
        (changed(2, BitsAllocated=8, BitsStored=8, HighBit=7, PixelData=bytes(20)), "different sizes or types"),
        (changed(2, Rows=5, Columns=4), "different sizes or types"),
    ],
)
def test_what_makes_no_volume_is_named(decode_volume, change, words):
    reason = refused(decode_volume, change(ct_series(VOXELS)))
    assert words in reason
    assert "1.2.3" not in reason


def test_a_file_of_another_format_in_a_series(source, encoded):
    files = [written(dataset) for dataset in ct_series(VOXELS)]
    with pytest.raises(CaseError, match="different formats"):
        decode_sample([source(files[0]), source(encoded(VOXELS[0].astype(np.uint8), "PNG"))], 1, Limits())


def test_a_series_may_not_cost_more_than_one_file(decode_volume):
    files = [written(dataset) for dataset in ct_series(VOXELS)]
    decode_volume(files, Limits(pixels=30))
    with pytest.raises(CaseError) as caught:
        decode_volume(files, Limits(pixels=29))
    assert caught.value.kind == "too_large"


def enhanced(voxels, order):
    """An enhanced multi-frame CT: frames in this order, each with its position, rescale and window."""
    dataset = dicom(voxels[order])
    dataset.SharedFunctionalGroupsSequence = item(
        PlaneOrientationSequence=item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
        PixelMeasuresSequence=item(PixelSpacing=[0.7, 0.5]),
    )
    frames = []
    for number in order:
        frame = Dataset()
        frame.PlanePositionSequence = item(ImagePositionPatient=[-10.0, -20.0, 30.0 + 2.5 * number])
        frame.PixelValueTransformationSequence = item(RescaleSlope=1 + int(number), RescaleIntercept=-1024)
        frame.FrameVOILUTSequence = item(WindowCenter=100 * int(number), WindowWidth=401)
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)
    return dataset


def test_enhanced_frames_have_their_own_place_rescale_and_window(decode_volume):
    data = written(enhanced(VOXELS, [4, 0, 2, 5, 1, 3]))
    slopes = np.arange(1, 7)[:, None, None]
    volume = decode_volume([data], RESCALED)
    measured = VOXELS * slopes.astype(np.float64) - 1024
    assert (volume.voxels[..., 0] == measured).all()
    assert volume.affine[:3, 0].tolist() == [0, 0, 2.5]
    shown = decode_volume([data]).voxels[..., 0]
    expected = np.clip((measured - (100 * (slopes - 1) - 0.5)) / 400 + 0.5, 0, 1) * 65535
    np.testing.assert_allclose(shown, expected, atol=0.501)


def test_two_phases_in_one_object_are_refused(decode_volume):
    both = np.concatenate([VOXELS, VOXELS])
    dataset = enhanced(both, list(range(12)))
    for number, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        frame.PlanePositionSequence[0].ImagePositionPatient = [0, 0, number % 6]
    assert "share a place" in refused(decode_volume, [dataset])


def test_a_film_has_frames_but_no_place(decode_volume):
    frames = np.random.default_rng(0).integers(0, 255, (3, 4, 5), np.uint8)
    volume = decode_volume([written(dicom(frames))])
    assert (volume.voxels[..., 0] == frames).all()
    assert volume.affine is None


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_multi_frame_ground_truth_lies_on_its_image(source, decode_volume, kind):
    image = decode_volume([written(dataset) for dataset in ct_series(VOXELS)])
    classes = np.random.default_rng(4).integers(0, 3, (6, 4, 5), np.uint8)
    mask = enhanced(classes, [5, 1, 0, 2, 4, 3])
    place = {"size": image.size, "affine": image.affine}
    truth = decode_mask(source(written(mask)), Limits(), kind, **place)
    assert (truth == (classes > 0 if kind == "binary" else classes)).all()
    for frame in mask.PerFrameFunctionalGroupsSequence:
        frame.PlanePositionSequence[0].ImagePositionPatient[0] += 3
    with pytest.raises(CaseError) as caught:
        decode_mask(source(written(mask)), Limits(), kind, **place)
    assert caught.value.kind == "mask_size"


@pytest.mark.parametrize("canonical", [False, True])
def test_a_series_with_its_labels_in_nifti(source, decode_volume, tmp_path, canonical):
    """As DeepHealth's kidney data: the label's axes are columns, rows, slices; or turned to RAS, as many tools do."""
    slanted = [0.8, 0.6, 0, -0.6, 0.8, 0]
    datasets = ct_series(VOXELS, ImageOrientationPatient=slanted)
    image = decode_volume([written(dataset) for dataset in datasets])
    classes = np.random.default_rng(4).integers(0, 3, (6, 4, 5), np.uint8)
    along_row, along_column = np.array(slanted[:3]), np.array(slanted[3:])
    to_lps = np.eye(4)
    to_lps[:3] = np.column_stack([along_row * 0.5, along_column * 0.7, [0, 0, 2.5], [-10, -20, 30]])
    label = nibabel.Nifti1Image(classes.T, np.diag([-1, -1, 1, 1]) @ to_lps)
    if canonical:
        label = nibabel.as_closest_canonical(label)
        assert (label.get_fdata().astype(np.uint8) != classes.T).any()
    nibabel.save(label, tmp_path / "label.nii.gz")
    mask = source((tmp_path / "label.nii.gz").read_bytes())
    truth = decode_mask(mask, Limits(), "multiclass", size=image.size, affine=image.affine)
    assert (truth == classes).all()


def test_ground_truth_of_one_frame(source):
    binary = np.random.default_rng(4).integers(0, 2, (4, 5), np.uint8)
    windowed = {"WindowCenter": 1, "WindowWidth": 1, "RescaleSlope": 2, "RescaleIntercept": 7}  # nothing for masks
    spread_out = source(written(dicom(binary * np.uint8(255), **windowed)))
    assert (decode_mask(spread_out, Limits(), "binary") == binary).all()
    classes = source(written(dicom(binary + np.uint8(3), **windowed)))
    assert (decode_mask(classes, Limits(), "multiclass") == binary + 3).all()
