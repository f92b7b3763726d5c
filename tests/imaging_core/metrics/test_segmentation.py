"""Overlap metrics equal scikit-learn on the pixels themselves, and DeepHealth's formula in plain numpy."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, jaccard_score, precision_score, recall_score

from imaging_core.metrics import counts as c
from imaging_core.metrics.registry import SEGMENTATION, compute
from imaging_core.metrics.segmentation import (
    SegmentationCases,
    deephealth_per_case,
    dice,
    empty_policy,
    iou,
    iou_deephealth,
    pixel_accuracy,
    precision,
    recall,
    specificity,
    thresholded_jaccard,
    volume_difference,
)

CLASSES = 4
Maps = NDArray[np.int64]


@pytest.fixture(params=range(3))
def maps(request: pytest.FixtureRequest) -> tuple[Maps, Maps]:
    """Ground truth and prediction of 30 images of 20 pixels, with classes that are often absent."""
    generator = np.random.default_rng(request.param)
    truth = generator.choice(CLASSES, size=(30, 20), p=[0.7, 0.2, 0.06, 0.04])
    noise = generator.choice(CLASSES, size=truth.shape)
    return truth, np.where(generator.random(truth.shape) < 0.7, truth, noise)


def count(truth: Maps, predicted: Maps, classes: range) -> NDArray[np.int64]:
    """Cases x classes x 4, with plain boolean arrays."""
    sides = [((truth == k), (predicted == k)) for k in classes]
    columns = [[(t & p), (~t & p), (t & ~p), (~t & ~p)] for t, p in sides]
    return np.array([[cell.sum(axis=1) for cell in column] for column in columns], dtype=np.int64).transpose(2, 0, 1)


def multiclass(maps: tuple[Maps, Maps], empty: c.EmptyPolicy = "skip") -> SegmentationCases:
    truth, predicted = maps
    return SegmentationCases(count(truth, predicted, range(CLASSES)), np.full((len(truth), 2), -1), empty)


def binary(truth: NDArray[np.bool_], predicted: NDArray[np.bool_], empty: c.EmptyPolicy = "one") -> SegmentationCases:
    pixels = np.stack([(truth & predicted).sum(axis=1), (truth | predicted).sum(axis=1)], axis=1)
    return SegmentationCases(count(truth.astype(int), predicted.astype(int), range(1, 2)), pixels, empty)


@pytest.mark.parametrize(("ours", "theirs"), [(iou, jaccard_score), (dice, f1_score)])
class TestAgainstScikitLearn:
    def test_pooled_is_its_micro_average(self, maps, ours, theirs):
        truth, predicted = maps
        expected = theirs(truth.ravel(), predicted.ravel(), average="micro")
        assert ours(multiclass(maps)).pooled == pytest.approx(expected, abs=1e-9)

    def test_macro_is_its_macro_average_of_all_pixels(self, maps, ours, theirs):
        truth, predicted = maps
        expected = theirs(truth.ravel(), predicted.ravel(), average="macro")
        assert ours(multiclass(maps)).macro == pytest.approx(expected, abs=1e-9)

    def test_per_class_is_its_value_of_each_class(self, maps, ours, theirs):
        truth, predicted = maps
        expected = theirs(truth.ravel(), predicted.ravel(), average=None, labels=range(CLASSES))
        assert ours(multiclass(maps)).per_class == pytest.approx(tuple(expected), abs=1e-9)

    def test_per_case_mean_averages_the_classes_that_a_case_has(self, maps, ours, theirs):
        # Without labels=, scikit-learn averages over the classes that appear in either side: our policy "skip".
        expected = np.mean([theirs(t, p, average="macro") for t, p in zip(*maps, strict=True)])
        assert ours(multiclass(maps, "skip")).mean == pytest.approx(expected, abs=1e-9)

    @pytest.mark.parametrize(("policy", "worth"), [("one", 1.0), ("zero", 0.0)])
    def test_per_case_mean_counts_an_absent_class_as_the_policy_says(self, maps, ours, theirs, policy, worth):
        kwargs = {"average": "macro", "labels": range(CLASSES), "zero_division": worth}
        expected = np.mean([theirs(t, p, **kwargs) for t, p in zip(*maps, strict=True)])
        assert ours(multiclass(maps, policy)).mean == pytest.approx(expected, abs=1e-9)

    def test_binary_per_case_mean_with_empty_images_on_either_side(self, maps, ours, theirs):
        truth, predicted = (side >= 2 for side in maps)
        truth[:3] = False
        predicted[:2] = False
        expected = np.mean([theirs(t, p, zero_division=1.0) for t, p in zip(truth, predicted, strict=True)])
        assert ours(binary(truth, predicted)).mean == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("ours", "theirs"), [(precision, precision_score), (recall, recall_score)])
class TestPrecisionAndRecallAgainstScikitLearn:
    def test_pooled_macro_and_each_class(self, maps, ours, theirs):
        truth, predicted = maps
        values = ours(multiclass(maps))
        for average, value in (("micro", values.pooled), ("macro", values.macro), (None, values.per_class)):
            assert value == pytest.approx(theirs(truth.ravel(), predicted.ravel(), average=average), abs=1e-9)

    def test_per_case_mean_averages_the_classes_of_either_side(self, maps, ours, theirs):
        expected = np.mean([theirs(t, p, average="macro", zero_division=0) for t, p in zip(*maps, strict=True)])
        assert ours(multiclass(maps, "skip")).mean == pytest.approx(expected, abs=1e-9)

    def test_binary_with_empty_images_on_either_side(self, maps, ours, theirs):
        truth, predicted = (side >= 2 for side in maps)
        truth[:3] = False
        predicted[:2] = False
        predicted[5] = False
        each = [
            1.0 if not (t.any() or p.any()) else theirs(t, p, zero_division=0)
            for t, p in zip(truth, predicted, strict=True)
        ]
        assert ours(binary(truth, predicted)).mean == pytest.approx(np.mean(each), abs=1e-9)


class TestOtherPixelMetrics:
    def test_specificity_is_the_recall_of_the_background(self, maps):
        truth, predicted = (side >= 2 for side in maps)
        truth[0] = True
        expected = [recall_score(~t, ~p) for t, p in zip(truth[1:], predicted[1:], strict=True)]
        values = specificity(binary(truth, predicted))
        assert values.mean == pytest.approx(np.mean(expected), abs=1e-9), "an image full of the class is left out"
        assert values.pooled == pytest.approx(recall_score(~truth.ravel(), ~predicted.ravel()), abs=1e-9)

    def test_pixel_accuracy_of_exclusive_classes_counts_each_pixel_once(self, maps):
        truth, predicted = maps
        cases = SegmentationCases(multiclass(maps).counts, np.full((len(truth), 2), -1), "skip", exclusive=True)
        expected = np.mean([accuracy_score(t, p) for t, p in zip(*maps, strict=True)])
        assert pixel_accuracy(cases).mean == pytest.approx(expected, abs=1e-9)
        assert pixel_accuracy(cases).pooled == pytest.approx(accuracy_score(truth.ravel(), predicted.ravel()), abs=1e-9)

    def test_pixel_accuracy_of_one_class(self, maps):
        truth, predicted = (side >= 2 for side in maps)
        values = pixel_accuracy(binary(truth, predicted))
        assert values.pooled == pytest.approx(accuracy_score(truth.ravel(), predicted.ravel()), abs=1e-9)

    def test_thresholded_jaccard_counts_what_lies_below_065_as_nothing(self, maps):
        truth, predicted = (side >= 1 for side in maps)
        each = np.array([jaccard_score(t, p) for t, p in zip(truth, predicted, strict=True)])
        assert (each < 0.65).any()
        assert (each >= 0.65).any()
        expected = np.where(each >= 0.65, each, 0).mean()
        assert thresholded_jaccard(binary(truth, predicted)).mean == pytest.approx(expected, abs=1e-9)

    def test_exactly_065_counts(self):
        counts = np.array([[[13, 7, 0, 0]]])
        assert thresholded_jaccard(SegmentationCases(counts, np.full((1, 2), -1), "one")).mean == 0.65

    def test_volume_difference_is_relative_to_the_truth_and_leaves_out_where_there_is_none(self, maps):
        truth, predicted = (side >= 2 for side in maps)
        truth[:2] = False
        volumes = [(t.sum(), p.sum()) for t, p in zip(truth, predicted, strict=True)]
        values = volume_difference(binary(truth, predicted))
        assert values.mean == pytest.approx(np.mean([abs(p - t) / t for t, p in volumes if t]), abs=1e-9)
        assert values.pooled == pytest.approx(abs(predicted.sum() - truth.sum()) / truth.sum(), abs=1e-9)

    def test_exclusive_classes_have_no_pooled_volume_difference_since_it_would_always_be_0(self, maps):
        truth, predicted = maps
        values = volume_difference(replace(multiclass(maps), exclusive=True))
        assert values.pooled is None
        volumes = [((truth == k).sum(), (predicted == k).sum()) for k in range(CLASSES)]
        assert values.macro == pytest.approx(np.mean([abs(p - t) / t for t, p in volumes]), abs=1e-9)


class TestIdentities:
    def test_jaccard_is_dice_over_two_minus_dice_wherever_there_is_one_value(self, maps):
        cases = multiclass(maps)
        jaccard, d = iou(cases), dice(cases)
        assert jaccard.pooled is not None
        assert d.pooled is not None
        assert jaccard.pooled == pytest.approx(d.pooled / (2 - d.pooled), abs=1e-12)
        for one, other in zip(jaccard.per_class, d.per_class, strict=True):
            assert one is not None
            assert other is not None
            assert one == pytest.approx(other / (2 - other), abs=1e-12)

    def test_the_order_of_cases_changes_no_bit(self, maps):
        truth, predicted = maps
        shuffled = np.random.default_rng(1).permutation(len(truth))
        assert compute(multiclass(maps)) == compute(multiclass((truth[shuffled], predicted[shuffled])))

    def test_the_counts_are_scikit_learns_confusion(self, maps):
        truth, predicted = maps
        confusion = confusion_matrix(truth.ravel(), predicted.ravel(), labels=range(CLASSES))
        by_class = multiclass(maps).counts.sum(axis=0)
        assert by_class[:, c.TP].tolist() == np.diagonal(confusion).tolist()
        assert by_class[:, c.FP].tolist() == (confusion.sum(axis=0) - np.diagonal(confusion)).tolist()


class TestDeepHealth:
    def test_is_the_mean_of_the_smoothed_ratios(self, maps):
        truth, predicted = (side >= 2 for side in maps)
        values = [
            (np.count_nonzero(t & p) + 1e-6) / (np.count_nonzero(t | p) + 1e-6)
            for t, p in zip(truth, predicted, strict=True)
        ]
        assert iou_deephealth(binary(truth, predicted)).mean == pytest.approx(float(np.mean(values)), abs=1e-12)

    def test_two_empty_masks_are_one(self):
        assert deephealth_per_case(np.array([[0, 0]])).tolist() == [1.0]

    def test_a_missed_object_is_nearly_zero_and_not_zero(self):
        assert deephealth_per_case(np.array([[0, 100]])).tolist() == [1e-6 / (100 + 1e-6)]

    def test_cases_without_its_counts_are_left_out(self):
        cases = SegmentationCases(np.ones((2, 1, 4), dtype=np.int64), np.array([[1, 2], [-1, -1]]), "one")
        assert iou_deephealth(cases).mean == pytest.approx(0.5, abs=1e-6)

    def test_has_no_pooled_and_no_macro_form(self, maps):
        values = iou_deephealth(binary(*(side >= 2 for side in maps)))
        assert (values.pooled, values.macro, values.per_class) == (None, None, ())


class TestUndefined:
    def test_no_case_gives_no_figure(self):
        cases = SegmentationCases(np.zeros((0, 3, 4), dtype=np.int64), np.zeros((0, 2), dtype=np.int64), "skip")
        for metric in SEGMENTATION:
            values = metric.compute(cases)
            assert (values.mean, values.pooled, values.macro) == (None, None, None)
            assert set(values.per_class) <= {None}

    def test_a_class_that_never_appears_is_undefined_and_does_not_pull_the_macro_mean(self, maps):
        truth, predicted = (np.minimum(side, CLASSES - 2) for side in maps)
        values = iou(multiclass((truth, predicted)))
        expected = jaccard_score(truth.ravel(), predicted.ravel(), average="macro", labels=range(CLASSES - 1))
        assert values.per_class[-1] is None
        assert values.macro == pytest.approx(expected, abs=1e-9)

    def test_cases_where_every_class_is_skipped_are_left_out_of_the_mean(self):
        counts = np.array([[[0, 0, 0, 9]], [[3, 1, 0, 5]]], dtype=np.int64)
        assert iou(SegmentationCases(counts, np.full((2, 2), -1), "skip")).mean == 0.75

    def test_one_scored_class_counts_two_empty_masks_as_right_and_several_skip_an_absent_class(self):
        assert [empty_policy(1), empty_policy(2), empty_policy(20)] == ["one", "skip", "skip"]
