"""Curves are scikit-learn's, and the area below each is the metric beside it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import auc, precision_recall_curve, roc_curve

from imaging_core.metrics.calibration import BINS, expected_calibration_error
from imaging_core.metrics.curves import precision_recall, reliability, roc
from imaging_core.metrics.ranking import area_under_roc, average_precision

cases = st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=1, max_size=60).map(
    lambda pairs: (np.array([truth for truth, _ in pairs]), np.array([score / 20 for _, score in pairs]))
)


@given(cases)
def test_roc(pair):
    positive, scores = pair
    points = roc(positive, scores)
    if positive.all() or not positive.any():
        assert points is None
        return
    across, up, _ = roc_curve(positive, scores, drop_intermediate=False)
    assert np.allclose(points, (across, up), rtol=0, atol=1e-12)
    assert auc(*points) == pytest.approx(area_under_roc(positive, scores), abs=1e-9)


@given(cases)
def test_precision_and_recall(pair):
    positive, scores = pair
    points = precision_recall(positive, scores)
    if not positive.any():
        assert points is None
        return
    recall, precision = points
    theirs, at, _ = precision_recall_curve(positive, scores)
    assert np.allclose((precision[1:], recall[1:]), (theirs[:-1][::-1], at[:-1][::-1]), rtol=0, atol=1e-12)
    steps = float((np.diff(recall) * precision[1:]).sum())
    assert steps == pytest.approx(average_precision(positive, scores), abs=1e-9)


@given(cases)
def test_reliability(pair):
    right, probabilities = pair
    bins = reliability(probabilities, right)
    frequency, probability = calibration_curve(right, probabilities, n_bins=BINS)
    assert bins.cases.sum() == len(right)
    gap = (bins.cases * abs(bins.frequency - bins.probability)).sum() / len(right)
    assert gap == pytest.approx(expected_calibration_error(probabilities, right), abs=1e-9)
    between = probabilities * BINS % 1 != 0  # on an edge scikit-learn takes the other bin
    if between.all():
        assert np.allclose((bins.frequency, bins.probability), (frequency, probability), rtol=0, atol=1e-9)
