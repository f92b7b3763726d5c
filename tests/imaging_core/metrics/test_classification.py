"""Classification metrics equal scikit-learn on random and on edge data."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from sklearn import metrics as sk

from imaging_core.metrics.classification import (
    ClassificationCases,
    accuracy,
    balanced_accuracy,
    decide,
    f1,
    precision,
    recall,
    specificity,
)
from imaging_core.metrics.ranking import area_under_roc, auroc
from imaging_core.metrics.registry import CLASSIFICATION, compute
from tests.imaging_core.metrics.cases import CLASSES, random_cases


@pytest.fixture(params=range(3))
def seed(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def close(value: float) -> object:
    return pytest.approx(float(value), abs=1e-9)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
class TestOneLabelPerCase:
    def test_accuracy(self, kind, seed):
        cases = random_cases(kind, seed)
        expected = close(sk.accuracy_score(cases.labels, cases.predicted))
        assert accuracy(cases).mean == expected
        assert accuracy(cases).pooled == expected

    def test_balanced_accuracy(self, kind, seed):
        cases = random_cases(kind, seed)
        assert balanced_accuracy(cases).macro == close(sk.balanced_accuracy_score(cases.labels, cases.predicted))

    def test_confusion_has_true_classes_down_and_predicted_across(self, kind, seed):
        cases = random_cases(kind, seed)
        expected = sk.confusion_matrix(cases.labels, cases.predicted, labels=range(cases.classes))
        assert cases.confusion.tolist() == expected.tolist()

    @pytest.mark.parametrize(
        ("ours", "theirs"), [(recall, sk.recall_score), (precision, sk.precision_score), (f1, sk.f1_score)]
    )
    def test_recall_precision_and_f1(self, kind, seed, ours, theirs):
        cases = random_cases(kind, seed)
        values = ours(cases)
        assert values.macro == close(theirs(cases.labels, cases.predicted, average="macro"))
        assert values.pooled == close(theirs(cases.labels, cases.predicted, average="micro"))
        assert values.per_class == close_all(theirs(cases.labels, cases.predicted, average=None))
        assert values.mean is None

    def test_specificity_is_the_recall_of_everything_else(self, kind, seed):
        cases = random_cases(kind, seed)
        expected = [
            sk.recall_score(cases.labels != k, cases.predicted != k, zero_division=0) for k in range(cases.classes)
        ]
        assert specificity(cases).per_class == close_all(np.array(expected))
        assert specificity(cases).macro == close(np.mean(expected))


def close_all(values: NDArray[np.float64]) -> object:
    return pytest.approx(tuple(float(value) for value in values), abs=1e-9)


class TestSeveralLabelsPerCase:
    def test_mean_accuracy_wants_every_label_right(self, seed):
        cases = random_cases("multilabel", seed)
        assert accuracy(cases).mean == close(sk.accuracy_score(cases.labels, cases.predicted))

    def test_pooled_accuracy_is_one_minus_hamming_loss(self, seed):
        cases = random_cases("multilabel", seed)
        assert accuracy(cases).pooled == close(1 - sk.hamming_loss(cases.labels, cases.predicted))

    def test_balanced_accuracy_is_that_of_each_label_and_their_mean(self, seed):
        cases = random_cases("multilabel", seed)
        expected = [sk.balanced_accuracy_score(cases.labels[:, k], cases.predicted[:, k]) for k in range(CLASSES)]
        assert balanced_accuracy(cases).per_class == close_all(np.array(expected))
        assert balanced_accuracy(cases).macro == close(np.mean(expected))

    def test_counts_are_scikit_learns_multilabel_confusion(self, seed):
        cases = random_cases("multilabel", seed)
        expected = sk.multilabel_confusion_matrix(cases.labels, cases.predicted)
        ours = [[[tn, fp], [fn, tp]] for tp, fp, fn, tn in cases.counts.tolist()]
        assert ours == expected.tolist()

    @pytest.mark.parametrize(
        ("ours", "theirs"), [(recall, sk.recall_score), (precision, sk.precision_score), (f1, sk.f1_score)]
    )
    def test_recall_precision_and_f1(self, seed, ours, theirs):
        cases = random_cases("multilabel", seed)
        assert ours(cases).macro == close(theirs(cases.labels, cases.predicted, average="macro"))
        assert ours(cases).pooled == close(theirs(cases.labels, cases.predicted, average="micro"))


class TestAuroc:
    def test_binary(self, seed):
        cases = random_cases("binary", seed)
        expected = close(sk.roc_auc_score(cases.labels, cases.scores[:, 0]))
        assert auroc(cases).pooled == expected
        assert auroc(cases).macro == expected
        assert auroc(cases).per_class == (expected, expected)

    def test_multiclass_one_vs_rest(self, seed):
        cases = random_cases("multiclass", seed)
        one_hot = cases.labels[:, np.newaxis] == np.arange(CLASSES)
        assert auroc(cases).macro == close(sk.roc_auc_score(one_hot, cases.scores, average="macro"))
        assert auroc(cases).pooled == close(sk.roc_auc_score(one_hot, cases.scores, average="micro"))

    def test_multiclass_equals_scikit_learns_own_one_vs_rest(self, seed):
        cases = random_cases("multiclass", seed)
        scores = cases.scores / cases.scores.sum(axis=1, keepdims=True)
        ours = auroc(ClassificationCases("multiclass", CLASSES, cases.labels, scores))
        assert ours.macro == close(sk.roc_auc_score(cases.labels, scores, multi_class="ovr", average="macro"))

    def test_multilabel(self, seed):
        cases = random_cases("multilabel", seed)
        expected = sk.roc_auc_score(cases.labels, cases.scores, average=None)
        assert auroc(cases).per_class == close_all(expected)
        assert auroc(cases).pooled == close(sk.roc_auc_score(cases.labels, cases.scores, average="micro"))

    @given(st.data())
    def test_is_the_share_of_pairs_in_the_right_order_with_ties_as_halves(self, data):
        n = data.draw(st.integers(2, 40))
        positive = data.draw(hnp.arrays(np.bool_, n))
        scores = data.draw(hnp.arrays(np.float64, n, elements=st.sampled_from([-2.5, 0.0, -0.0, 0.25, 0.5, 1e300])))
        pairs = [(p > q) + 0.5 * (p == q) for p in scores[positive] for q in scores[~positive]]
        expected = math.fsum(pairs) / len(pairs) if pairs else None
        assert area_under_roc(positive, scores) == expected

    def test_a_constant_score_is_chance(self):
        assert area_under_roc(np.array([True, False, False]), np.zeros(3)) == 0.5

    def test_a_class_without_cases_is_undefined_and_left_out_of_macro(self):
        labels = np.array([0, 1, 0, 1])
        scores = np.array([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.3, 0.4, 0.3], [0.1, 0.8, 0.1]])
        values = auroc(ClassificationCases("multiclass", 3, labels, scores))
        assert values.per_class == (1.0, 1.0, None)
        assert values.macro == 1.0


class TestDecisions:
    def test_a_score_at_the_threshold_is_positive(self):
        assert decide("binary", np.array([[0.5], [0.49999997]]), 0.5).tolist() == [1, 0]
        assert decide("multilabel", np.array([[0.5, 0.2]]), 0.5).tolist() == [[True, False]]

    def test_the_first_of_equal_scores_wins(self):
        assert decide("multiclass", np.array([[0.2, 0.4, 0.4]]), 0.5).tolist() == [1]


class TestUndefined:
    @pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
    def test_no_case_gives_no_figure(self, kind):
        everything = random_cases(kind, 0)
        nothing = ClassificationCases(kind, everything.classes, everything.labels[:0], everything.scores[:0])
        for metric in CLASSIFICATION:
            values = metric.compute(nothing)
            assert {values.mean, values.pooled, values.macro, *values.per_class} == {None}, metric.name

    def test_recall_of_an_absent_class_and_precision_of_one_never_called(self):
        cases = ClassificationCases("multiclass", 3, np.array([0, 0, 1]), np.eye(3)[[0, 2, 0]])
        assert recall(cases).per_class == (0.5, 0.0, None)
        assert precision(cases).per_class == (0.5, None, 0.0)
        assert f1(cases).per_class == (0.5, 0.0, 0.0)

    def test_one_class_only_gives_balanced_accuracy_over_it_alone(self):
        cases = ClassificationCases("binary", 2, np.array([1, 1]), np.array([[0.9], [0.1]]))
        assert balanced_accuracy(cases).macro == 0.5

    @pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
    def test_the_order_of_cases_changes_no_bit(self, kind, seed):
        cases = random_cases(kind, seed)
        shuffled = np.random.default_rng(9).permutation(len(cases.labels))
        other = ClassificationCases(
            kind, cases.classes, cases.labels[shuffled], cases.scores[shuffled], cases.threshold
        )
        assert compute(cases) == compute(other)
