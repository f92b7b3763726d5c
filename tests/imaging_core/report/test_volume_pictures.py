"""Pictures of volumes: the slice that tells most, the right way up and in its proportions."""

import io

import nibabel
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from imaging_core.metrics.merge import merge
from imaging_core.report.captions import describe
from imaging_core.report.pictures import draw
from imaging_core.store import Location, open_store
from tests.imaging_core.report.test_pictures import filled
from tests.small_run import infer, make_bundle, split, write_dataset
from tests.volumes import scan, turned

AXIAL, CORONAL = "RAS", "LSA"
SHOWN = {AXIAL: "LPS", CORONAL: "LIA"}


def volume(image, boxes):
    """A mask with boxes in an image's voxels as a model of AXIAL sees them, slices first."""
    values = np.zeros(turned(image, AXIAL).shape, np.uint8)
    for slices, rows, columns in boxes:
        values[columns, rows, slices] = 1
    mask = nibabel.Nifti1Image(values, turned(image, AXIAL).affine)
    return turned(mask, "".join(nibabel.aff2axcodes(image.affine)))


@pytest.fixture(params=[AXIAL, CORONAL])
def picture_of(tmp_path, request):
    """Draws one case of which truth and prediction are these boxes; gives the picture, its caption, and the image."""

    def drawn(truth, predicted):
        image = scan("PSR")
        nibabel.save(image, tmp_path / "scan.nii.gz")
        entry = {"location": "scan.nii.gz"}
        if truth is not None:
            nibabel.save(turned(volume(image, truth), "ASL"), tmp_path / "mask.nii")
            entry["label"] = "mask.nii"
        make_bundle(
            tmp_path / "model", "segmentation", "binary", ["bright"], picture=np.zeros((32, 32, 1), np.uint8),
            input={"height": 32, "width": 32, "channels": 1, "orientation": request.param},
        )  # fmt: skip
        run = tmp_path / f"run-{truth is None}"
        split(write_dataset(tmp_path, [entry]), run, 1)
        infer(run, tmp_path / "model")
        nibabel.save(volume(image, predicted), run / "outputs/0.nii.gz")
        store = open_store(Location.parse(str(run)))
        merged = merge(store)
        picture = draw(store, merged, [0])[0]
        return picture, describe(merged, 0, picture), turned(image, SHOWN[request.param]), request.param

    return drawn


TRUTH = [(slice(3, 9), slice(6, 16), slice(4, 12))]
PREDICTED = [(slice(3, 9), slice(6, 16), slice(4, 12)), (slice(7, 8), slice(18, 24), slice(14, 20))]


def test_the_slice_with_most_errors_is_shown_as_one_looks_at_it(picture_of):
    picture, caption, image, orientation = picture_of(TRUTH, PREDICTED)
    number = 7 if orientation == AXIAL else 18  # the first slice in which the wrong box lies
    slices = image.shape[2]
    assert picture.slice == (number + 1, slices)
    assert ("slice", f"{number + 1} of {slices}", "") in caption["facts"]
    assert f"slice {number + 1} of {slices}" in caption["alt"]

    values = np.asanyarray(image.dataobj)[..., number].T
    across, down = nibabel.affines.voxel_sizes(image.affine)[:2]
    assert picture.width / picture.height == pytest.approx(
        values.shape[1] * across / (values.shape[0] * down), rel=0.05
    )
    expected = np.asarray(Image.fromarray(values).resize((picture.width, picture.height)), dtype=float)
    shown = np.asarray(Image.open(io.BytesIO(picture.data)), dtype=float)
    assert np.corrcoef(shown.ravel(), expected.ravel())[0, 1] > 0.9

    for path, boxes in ((picture.truth, TRUTH), (picture.predicted, PREDICTED)):
        mask = np.asanyarray(turned(volume(image, boxes), SHOWN[orientation]).dataobj)[..., number].T > 0
        wanted = np.asarray(Image.fromarray(mask).resize((picture.width, picture.height)))
        inside = filled(path, picture.width, picture.height)
        assert not (inside & ~ndimage.binary_dilation(wanted, np.ones((3, 3)))).any()
        assert not (ndimage.binary_erosion(wanted, np.ones((3, 3))) & ~inside).any()
    assert picture.missed == ""
    assert picture.added.count("M") == 1
    assert picture.truth_share == pytest.approx(6 * 10 * 8 / np.prod(image.shape))


def test_without_errors_the_slice_with_most_truth_and_without_truth_of_the_prediction(picture_of):
    number = {AXIAL: 8, CORONAL: 7}
    uneven = [(slice(3, 9), slice(6, 16), slice(4, 12)), (slice(8, 9), slice(7, 8), slice(14, 20))]
    for truth in (uneven, None):
        picture, _, _, orientation = picture_of(truth, uneven)
        assert picture.slice[0] == number[orientation] + 1


def test_of_two_empty_masks_the_middle_is_shown(picture_of):
    picture, _, image, _ = picture_of([], [])
    assert picture.slice == (image.shape[2] // 2 + 1, image.shape[2])
    assert picture.truth == picture.predicted == ""
