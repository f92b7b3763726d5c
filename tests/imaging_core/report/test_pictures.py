"""Pictures of cases, and outlines that enclose what the mask encloses."""

import io
import re

import numpy as np
import pytest
from PIL import Image, ImageDraw

from imaging_core.metrics.merge import merge
from imaging_core.report.outlines import MOST_POINTS, MOST_TOGETHER, outline, outlines
from imaging_core.report.pictures import SIDE, draw, thumbnail
from tests.imaging_core.report.synthetic_run import SyntheticRun, classification_records, make_card, segmentation_run


def filled(path: str, width: int, height: int) -> np.ndarray:
    """The path, filled by Pillow: inside where it winds an odd number of times."""
    inside = np.zeros((height, width), dtype=bool)
    for line in re.findall(r"M([^Z]*)Z", path):
        points = [tuple(map(float, point.split())) for point in line.split("L")]
        canvas = Image.new("1", (width, height))
        ImageDraw.Draw(canvas).polygon(points, fill=1)
        inside ^= np.asarray(canvas)
    return inside


def disc(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.hypot(rows - height * 0.4, columns - width * 0.6) < min(height, width) * 0.3


class TestOutline:
    @pytest.mark.parametrize("size", [(100, 140), (1500, 2000), (37, 300)])
    def test_filled_again_it_is_the_mask(self, size):
        mask = disc(*size)
        scale = min(1, SIDE / max(size))
        width, height = round(size[1] * scale), round(size[0] * scale)
        again = filled(outline(mask, width, height), width, height)
        expected = np.asarray(Image.fromarray(mask).resize((width, height)))
        union = (again | expected).sum()
        assert (again & expected).sum() / union > 0.9

    def test_of_a_small_mask_it_follows_the_pixels(self):
        mask = np.zeros((3, 4), dtype=bool)
        mask[1:, 2] = True
        expected = mask.repeat(60, axis=0).repeat(60, axis=1)
        assert (filled(outline(mask, 240, 180), 240, 180) ^ expected).sum() <= 360, "no more than the border itself"

    def test_straight_pieces_have_no_points_between_their_ends(self):
        square = np.zeros((200, 200), dtype=bool)
        square[40:120, 60:160] = True
        assert outline(square, 200, 200).count("L") == 7, "eight corners, since each is cut by half a cell"

    def test_a_hole_has_an_outline_of_its_own(self):
        mask = disc(200, 200)
        mask[70:90, 110:130] = False
        assert outline(mask, 200, 200).count("M") == 2

    def test_an_empty_mask_has_none(self):
        assert outline(np.zeros((50, 50), dtype=bool), 50, 50) == ""

    def test_a_full_mask_has_the_frame(self):
        numbers = [float(number) for number in re.findall(r"[\d.]+", outline(np.ones((40, 80), dtype=bool), 80, 40))]
        assert (min(numbers), max(numbers)) == (0, 80)

    def test_a_mask_of_specks_stays_small(self):
        specks = np.random.default_rng(0).random((240, 240)) < 0.5
        assert outline(specks, 480, 480).count("L") <= MOST_POINTS

    def test_so_do_many_masks_of_specks_and_one_is_drawn_as_alone(self):
        specks = np.random.default_rng(0).random((40, 240, 240)) < 0.5
        assert MOST_POINTS < outlines(specks, 480, 480).count("L") <= MOST_TOGETHER
        assert outlines(specks[:1], 480, 480) == outline(specks[0], 480, 480)


class TestThumbnail:
    def test_is_small_and_keeps_its_shape(self):
        assert thumbnail(np.zeros((3000, 2000, 3), dtype=np.uint8)).size == (320, 480)

    def test_a_small_picture_stays_as_it_is(self):
        pixels = np.arange(64, dtype=np.uint8).reshape(8, 8, 1) * 4
        assert np.array_equal(np.asarray(thumbnail(pixels)), pixels[..., 0])

    @pytest.mark.parametrize("dtype", [np.uint16, np.float32])
    def test_wide_values_are_stretched(self, dtype):
        pixels = np.linspace(300, 900, 10_000).astype(dtype).reshape(100, 100, 1)
        shown = np.asarray(thumbnail(pixels))
        assert (shown.min(), shown.max()) == (0, 255)

    def test_a_constant_image_is_no_division_by_zero(self):
        assert np.asarray(thumbnail(np.full((5, 5, 1), 7.0, dtype=np.float32))).max() == 0

    @pytest.mark.parametrize("channels", [1, 2, 3, 7])
    def test_any_number_of_channels(self, channels):
        assert thumbnail(np.zeros((9, 5, channels), dtype=np.uint8)).size == (5, 9)


class TestDraw:
    def test_truth_and_prediction_cover_what_the_ledger_counts(self, tmp_path):
        segmentation = segmentation_run(tmp_path, 4, 10)
        store = segmentation.write(tmp_path)
        merged = merge(store)
        for row, picture in draw(store, merged, range(4)).items():
            counts = segmentation.records[row].counts[1]
            total = counts.tp + counts.fp + counts.fn + counts.tn
            assert picture.truth_share == pytest.approx((counts.tp + counts.fn) / total)
            assert picture.predicted_share == pytest.approx((counts.tp + counts.fp) / total)
            assert Image.open(io.BytesIO(picture.data)).size == (picture.width, picture.height) == (240, 180)
            assert picture.problem == ""

    def test_a_small_case_is_enlarged_pixel_by_pixel_below_its_outlines(self, tmp_path):
        segmentation = segmentation_run(tmp_path, 1, 10)
        (record,) = segmentation.records
        pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"data/images/{int(record.case)}.png")
        mask = np.zeros((3, 5), dtype=np.uint8)
        mask[0, 4] = 255
        Image.fromarray(mask).save(tmp_path / f"data/masks/{int(record.case)}.png")
        Image.fromarray(mask).save(tmp_path / "run" / record.outputs["mask"])
        store = segmentation.write(tmp_path)
        picture = draw(store, merge(store), [0])[0]
        assert (picture.width, picture.height) == (240, 144)
        shown = np.asarray(Image.open(io.BytesIO(picture.data)))
        assert np.array_equal(shown, pixels.repeat(48, axis=0).repeat(48, axis=1))
        inside = filled(picture.truth, 240, 144)
        assert inside[2:46, 194:238].all()
        assert inside.sum() < 50 * 50

    def test_errors_are_what_truth_and_prediction_do_not_share(self, tmp_path):
        segmentation = segmentation_run(tmp_path, 1, 10)
        (record,) = segmentation.records
        truth, predicted = f"data/masks/{int(record.case)}.png", f"run/{record.outputs['mask']}"
        for file, columns in ((truth, slice(60, 160)), (predicted, slice(90, 210))):
            mask = np.zeros((180, 240), dtype=np.uint8)
            mask[40:120, columns] = 255
            Image.fromarray(mask).save(tmp_path / file)
        store = segmentation.write(tmp_path)
        picture = draw(store, merge(store), [0])[0]
        missed, added = np.zeros((2, 180, 240), dtype=bool)
        missed[40:120, 60:90], added[40:120, 160:210] = True, True
        for path, expected in ((picture.missed, missed), (picture.added, added)):
            assert (filled(path, 240, 180) ^ expected).sum() <= 2 * (80 + 50)

    def test_a_picture_that_is_gone_says_so_in_its_place(self, tmp_path):
        segmentation = segmentation_run(tmp_path, 4, 10)
        store = segmentation.write(tmp_path)
        first = int(segmentation.records[0].case)
        (tmp_path / f"data/images/{first}.png").unlink()
        (tmp_path / f"data/masks/{int(segmentation.records[1].case)}.png").write_bytes(b"rubbish")
        store.delete(segmentation.records[2].outputs["mask"])
        pictures = draw(store, merge(store), range(4))
        assert (pictures[0].data, pictures[0].problem) == (b"", "the image is not there")
        assert pictures[1].data
        assert pictures[1].truth is None
        assert pictures[1].missed is None
        assert "mask" in pictures[1].problem
        assert pictures[2].predicted is None
        assert "not there" in pictures[2].problem
        assert pictures[3].problem == ""

    def test_nothing_is_read_from_where_the_run_may_not(self, tmp_path):
        records = classification_records(1, 10)
        (tmp_path / "elsewhere").mkdir()
        Image.new("L", (9, 9)).save(tmp_path / "elsewhere/secret.png")
        names = {int(record.case): "../elsewhere/secret.png" for record in records}
        store = SyntheticRun(records, make_card(), 10, names=names).write(tmp_path)
        pictures = draw(store, merge(store), [0])
        assert (pictures[0].data, pictures[0].problem) == (b"", "it lies where the run may not read")

    def test_only_shards_with_shown_cases_are_opened(self, tmp_path):
        store = segmentation_run(tmp_path, 6, 10, shards=3).write(tmp_path)
        merged = merge(store)
        store.delete("shards/001.yml")
        assert len(draw(store, merged, merged.expected.shard_rows[0].tolist())) == 2

    def test_a_multiclass_case_has_outlines_of_all_classes_but_the_first(self, tmp_path):
        segmentation = segmentation_run(tmp_path, 1, 10)
        (record,) = segmentation.records
        levels = np.zeros((180, 240), dtype=np.uint8)
        levels[20:60, 20:60], levels[100:150, 100:200] = 1, 2
        Image.fromarray(levels).save(tmp_path / f"data/masks/{int(record.case)}.png")
        Image.fromarray(levels).save(tmp_path / "run" / record.outputs["mask"])
        counts = dict.fromkeys(range(3), record.counts[1])
        segmentation.records = [type(record)(record.case, "done", "", counts=counts, outputs=record.outputs)]
        segmentation.card = make_card("segmentation", "multiclass", ["ground", "a", "b"])
        store = segmentation.write(tmp_path)
        picture = draw(store, merge(store), [0])[0]
        assert picture.truth == picture.predicted
        assert picture.truth.count("M") == 2
        assert picture.truth_share == (40 * 40 + 50 * 100) / (180 * 240)
