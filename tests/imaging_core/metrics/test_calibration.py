"""Calibration equals scikit-learn, and its bins are those of scikit-learn's calibration curve."""

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from imaging_core.metrics.calibration import (
    BINS,
    brier,
    calibration_error,
    expected_calibration_error,
    log_loss,
)
from imaging_core.metrics.classification import ClassificationCases
from tests.imaging_core.metrics.cases import CLASSES, random_cases

KINDS = ["binary", "multiclass", "multilabel"]


@pytest.fixture(params=range(3))
def seed(request):
    return request.param


def probabilities(seed: int, n: int = 300) -> ClassificationCases:
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, n)
    logits = random.normal(size=(n, CLASSES)) + 1.5 * (labels[:, None] == np.arange(CLASSES))
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    scores[0] = np.eye(CLASSES)[(labels[0] + 1) % CLASSES]
    return ClassificationCases("multiclass", CLASSES, labels, scores)


class TestBrier:
    def test_binary(self, seed):
        cases = random_cases("binary", seed)
        assert brier(cases).mean == pytest.approx(sk.brier_score_loss(cases.labels, cases.scores[:, 0]), abs=1e-9)

    def test_multiclass_is_summed_over_the_classes(self, seed):
        cases = probabilities(seed)
        expected = sk.brier_score_loss(cases.labels, cases.scores, scale_by_half=False, labels=range(CLASSES))
        assert brier(cases).mean == pytest.approx(expected, abs=1e-9)

    def test_multilabel_is_that_of_each_label(self, seed):
        cases = random_cases("multilabel", seed)
        expected = [sk.brier_score_loss(cases.labels[:, k], cases.scores[:, k]) for k in range(CLASSES)]
        assert brier(cases).per_class == pytest.approx(tuple(expected), abs=1e-9)
        assert brier(cases).mean == pytest.approx(np.mean(expected), abs=1e-9)


class TestLogLoss:
    def test_binary(self, seed):
        cases = random_cases("binary", seed)
        assert log_loss(cases).mean == pytest.approx(sk.log_loss(cases.labels, cases.scores[:, 0]), abs=1e-9)

    def test_multiclass_with_a_case_that_was_impossible(self, seed):
        cases = probabilities(seed)
        expected = sk.log_loss(cases.labels, cases.scores, labels=range(CLASSES))
        assert log_loss(cases).mean == pytest.approx(expected, abs=1e-9)

    def test_multilabel_is_that_of_each_label(self, seed):
        cases = random_cases("multilabel", seed)
        expected = [sk.log_loss(cases.labels[:, k], cases.scores[:, k]) for k in range(CLASSES)]
        assert log_loss(cases).per_class == pytest.approx(tuple(expected), abs=1e-9)


class TestCalibrationError:
    def test_the_bins_are_those_of_scikit_learns_curve(self, seed):
        random = np.random.default_rng(seed)
        chances = random.random(500)
        true = random.random(500) < chances**2
        shares, means = calibration_curve(true, chances, n_bins=BINS, strategy="uniform")
        sizes, _ = np.histogram(chances, np.linspace(0, 1, BINS + 1))
        expected = (sizes[sizes > 0] * np.abs(shares - means)).sum() / 500
        assert expected_calibration_error(chances, true) == pytest.approx(expected, abs=1e-9)

    def test_multiclass_asks_how_often_the_winner_is_right(self, seed):
        cases = probabilities(seed)
        winner = cases.scores.max(axis=1)
        expected = expected_calibration_error(winner, cases.scores.argmax(axis=1) == cases.labels)
        assert calibration_error(cases).pooled == expected

    def test_what_comes_true_as_often_as_it_was_said_is_calibrated(self):
        chances = np.repeat([0.2, 0.7], 10)
        true = np.concatenate([np.arange(10) < 2, np.arange(10) < 7])
        assert expected_calibration_error(chances, true) == pytest.approx(0, abs=1e-12)

    def test_the_ends_lie_in_the_outer_bins(self):
        assert expected_calibration_error(np.array([0.0, 1.0]), np.array([True, False])) == 1.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", [brier, log_loss, calibration_error])
def test_scores_that_are_no_probabilities_have_no_calibration(kind, metric):
    cases = random_cases(kind, 0)
    other = ClassificationCases(kind, cases.classes, cases.labels, cases.scores, probabilities=False)
    values = metric(other)
    assert (values.mean, values.pooled, values.macro, values.per_class) == (None, None, None, ())
