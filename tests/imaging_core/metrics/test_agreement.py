"""Agreement beyond chance equals scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as sk

from imaging_core.metrics.agreement import cohen_kappa, matthews
from imaging_core.metrics.classification import ClassificationCases
from tests.imaging_core.metrics.cases import CLASSES, random_cases

BOTH = [(cohen_kappa, sk.cohen_kappa_score), (matthews, sk.matthews_corrcoef)]


@pytest.mark.parametrize(("ours", "theirs"), BOTH)
class TestAgainstScikitLearn:
    @pytest.mark.parametrize("kind", ["binary", "multiclass"])
    @pytest.mark.parametrize("seed", range(3))
    def test_one_label_per_case(self, ours, theirs, kind, seed):
        cases = random_cases(kind, seed)
        assert ours(cases).pooled == pytest.approx(theirs(cases.labels, cases.predicted), abs=1e-9)
        assert (ours(cases).mean, ours(cases).macro) == (None, None)

    def test_each_label_of_several(self, ours, theirs):
        cases = random_cases("multilabel", 0)
        expected = [theirs(cases.labels[:, k], cases.predicted[:, k]) for k in range(CLASSES)]
        assert ours(cases).per_class == pytest.approx(tuple(expected), abs=1e-9)
        assert ours(cases).macro == pytest.approx(np.mean(expected), abs=1e-9)

    def test_always_wrong_is_minus_one(self, ours, theirs):
        cases = binary([0, 1, 0, 1], [1, 0, 1, 0])
        assert ours(cases).pooled == theirs([0, 1, 0, 1], [1, 0, 1, 0]) == -1


@pytest.mark.parametrize("ours", [cohen_kappa, matthews])
def test_large_counts_do_not_overflow(ours):
    counts = np.array([[4_000_000_000, 1_000_000_000], [2_000_000_000, 3_000_000_000]])
    assert ours(cases_of(counts)).pooled == pytest.approx(ours(cases_of(counts // 100_000_000)).pooled, abs=1e-12)


def binary(labels: list[int], said: list[int]) -> ClassificationCases:
    return ClassificationCases("binary", 2, np.array(labels), np.array(said, float)[:, None])


def cases_of(confusion):
    cases = binary([0, 1], [0, 1])
    cases.__dict__["confusion"] = confusion
    return cases


def test_one_class_throughout_has_no_kappa_and_a_correlation_of_zero():
    cases = binary([1, 1, 1], [1, 1, 1])
    assert cohen_kappa(cases).pooled is None
    assert matthews(cases).pooled == 0, "as scikit-learn's"
