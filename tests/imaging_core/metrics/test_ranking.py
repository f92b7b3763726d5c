"""Average precision and points of the ROC curve equal scikit-learn, ties included."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sk

from imaging_core.metrics.ranking import (
    average_precision,
    mean_average_precision,
    sensitivity_at_95,
    sensitivity_at_specificity,
)
from tests.imaging_core.metrics.cases import CLASSES, random_cases

SCORES = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])


@given(st.data())
def test_average_precision_is_scikit_learns_with_any_ties(data):
    n = data.draw(st.integers(1, 40))
    positive = data.draw(hnp.arrays(np.bool_, n))
    scores = data.draw(hnp.arrays(np.float64, n, elements=SCORES))
    if positive.any():
        expected = sk.average_precision_score(positive, scores)
        assert average_precision(positive, scores) == pytest.approx(expected, abs=1e-9)
    else:
        assert average_precision(positive, scores) is None


@given(st.data())
def test_sensitivity_is_the_best_point_of_the_curve(data):
    n = data.draw(st.integers(2, 40))
    positive = data.draw(hnp.arrays(np.bool_, n))
    scores = data.draw(hnp.arrays(np.float64, n, elements=SCORES))
    wanted = data.draw(st.sampled_from([0.0, 0.5, 0.8, 0.95, 1.0]))
    value = sensitivity_at_specificity(positive, scores, wanted)
    if positive.all() or not positive.any():
        assert value is None
        return
    false, true, _ = sk.roc_curve(positive, scores, drop_intermediate=False)
    assert value == pytest.approx(true[1 - false >= wanted - 1e-12].max(), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
class TestAggregation:
    def test_multilabel(self, seed):
        cases = random_cases("multilabel", seed)
        values = mean_average_precision(cases)
        for average, value in (("macro", values.macro), ("micro", values.pooled), (None, values.per_class)):
            expected = sk.average_precision_score(cases.labels, cases.scores, average=average)
            assert value == pytest.approx(expected, abs=1e-9)

    def test_multiclass_is_one_against_the_rest(self, seed):
        cases = random_cases("multiclass", seed)
        expected = sk.average_precision_score(cases.labels[:, None] == np.arange(CLASSES), cases.scores)
        assert mean_average_precision(cases).macro == pytest.approx(expected, abs=1e-9)

    def test_binary_is_that_of_the_positive_class(self, seed):
        cases = random_cases("binary", seed)
        expected = sk.average_precision_score(cases.labels, cases.scores[:, 0])
        assert mean_average_precision(cases).pooled == pytest.approx(expected, abs=1e-9)
        assert sensitivity_at_95(cases).pooled == sensitivity_at_specificity(
            cases.labels == 1, cases.scores[:, 0], 0.95
        )
