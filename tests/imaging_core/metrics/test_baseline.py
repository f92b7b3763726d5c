"""The constant answer's score equals scikit-learn's dummy and that of a mask without an edge."""

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import jaccard_score

from imaging_core.metrics.baseline import Baseline, baseline
from imaging_core.metrics.classification import ClassificationCases
from imaging_core.metrics.segmentation import SegmentationCases, empty_policy


@pytest.mark.parametrize("classes", [2, 5])
def test_of_a_classification_it_is_the_most_frequent_class(classes):
    labels = np.random.default_rng(classes).integers(0, classes, 101)
    kind = "binary" if classes == 2 else "multiclass"
    scores = np.zeros((101, 1 if classes == 2 else classes))
    dummy = DummyClassifier(strategy="most_frequent").fit(scores, labels)
    constant = baseline(ClassificationCases(kind, classes, labels, scores))
    assert constant.answer == dummy.predict(scores)[0]
    assert constant.value == pytest.approx(dummy.score(scores, labels), abs=1e-12)


def counts(truth: np.ndarray, predicted: np.ndarray, classes: range) -> np.ndarray:
    sides = [((truth == k), (predicted == k)) for k in classes]
    cells = [[(t & p), (~t & p), (t & ~p), (~t & ~p)] for t, p in sides]
    return np.array([[cell.sum(axis=1) for cell in column] for column in cells]).transpose(2, 0, 1)


@pytest.mark.parametrize("classes", [range(1, 2), range(4)])
def test_of_a_segmentation_it_calls_every_pixel_the_same(classes):
    generator = np.random.default_rng(3)
    several = generator.choice(4, size=(20, 50), p=[0.2, 0.5, 0.2, 0.1])
    truth = several if len(classes) > 1 else (generator.random((20, 50)) < 0.3).astype(int)
    predicted = generator.permutation(truth)
    cases = SegmentationCases(counts(truth, predicted, classes), np.full((20, 2), -1), empty_policy(len(classes)))
    constant = baseline(cases)
    answer = classes[constant.answer]
    assert answer == 1
    average = "binary" if len(classes) == 1 else "macro"
    expected = np.mean([jaccard_score(row, np.full(50, answer), average=average, zero_division=0) for row in truth])
    assert constant.value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("shown", "answer"), [(0.2, None), (0.9, 0)])
def test_of_masks_that_are_mostly_empty_it_is_an_empty_mask(shown, answer):
    generator = np.random.default_rng(5)
    truth = ((generator.random((40, 50)) < 0.5) & (generator.random((40, 1)) < shown)).astype(int)
    cases = SegmentationCases(counts(truth, generator.permutation(truth), range(1, 2)), np.full((40, 2), -1), "one")
    constant = baseline(cases)
    assert constant.answer == answer
    said = np.full(50, 0 if answer is None else 1)
    expected = np.mean([jaccard_score(row, said, zero_division=1) for row in truth])
    assert constant.value == pytest.approx(expected, abs=1e-12)


def test_of_several_masks_that_may_overlap_an_empty_one_is_never_better():
    truth = np.random.default_rng(6).integers(0, 9, (20, 3, 4))
    cases = SegmentationCases(truth, np.full((20, 2), -1), "skip")
    assert baseline(cases).answer is not None


def test_there_is_none_without_scored_cases_and_for_several_labels():
    none = np.zeros(0, dtype=np.int64)
    assert baseline(ClassificationCases("multiclass", 3, none, np.zeros((0, 3)))) is None
    assert baseline(SegmentationCases(np.zeros((0, 1, 4), dtype=np.int64), np.zeros((0, 2)), "one")) is None
    assert baseline(ClassificationCases("multilabel", 2, np.zeros((3, 2), dtype=bool), np.zeros((3, 2)))) is None


def test_the_first_of_equally_frequent_classes_is_named():
    assert baseline(ClassificationCases("multiclass", 3, np.array([2, 1]), np.zeros((2, 3)))) == Baseline(1, 0.5)
