"""Figures of lesions: ratios of whole numbers, per case, pooled and macro, against scikit-learn and plain Python."""

from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from imaging_core.metrics.lesions import f1, precision, recall
from imaging_core.metrics.measured import Measured
from imaging_core.metrics.registry import compute, compute_intervals
from imaging_core.metrics.segmentation import SegmentationCases, empty_policy

NAMES = {"lesion_f1", "lesion_recall", "lesion_precision"}
BOTH = pytest.mark.parametrize(
    ("ours", "theirs"), [(f1, f1_score), (recall, recall_score), (precision, precision_score)]
)


def random_cases(classes: int, n: int = 50, seed: int = 0) -> SegmentationCases:
    lesions = np.random.default_rng(seed).poisson(0.7, (n, classes, 4))
    lesions[..., 3] = 0
    counts = np.ones_like(lesions)
    return SegmentationCases(
        counts, np.full((n, 2), -1), empty_policy(classes), measured=Measured(lesions=lesions.astype(np.int64))
    )


def as_labels(tp: int, fp: int, fn: int) -> tuple[list[int], list[int]]:
    """Truth and prediction of single lesions."""
    return [1] * tp + [0] * fp + [1] * fn, [1] * (tp + fp) + [0] * fn


@BOTH
@pytest.mark.parametrize("classes", [1, 3])
def test_per_case_pooled_and_macro(ours, theirs, classes):
    cases = random_cases(classes)
    counts = cases.measured.lesions[..., :3]
    rows = []
    for row in counts.tolist():
        there = [each for each in row if any(each)]
        values = [theirs(*as_labels(*each), zero_division=0) for each in there]
        rows.append(values or [1.0] if classes == 1 else values)
    found = ours(cases)
    assert found.mean == pytest.approx(fmean(fmean(row) for row in rows if row), abs=1e-9)
    assert found.pooled == pytest.approx(theirs(*as_labels(*counts.sum(axis=(0, 1)).tolist())), abs=1e-9)
    per_class = [theirs(*as_labels(*each)) for each in counts.sum(axis=0).tolist()]
    assert found.per_class == pytest.approx(per_class, abs=1e-9)
    assert found.macro == pytest.approx(fmean(per_class), abs=1e-9)


def test_f1_is_the_harmonic_mean_of_precision_and_recall():
    cases = random_cases(1)
    p, r = precision(cases).pooled, recall(cases).pooled
    assert f1(cases).pooled == pytest.approx(2 * p * r / (p + r), abs=1e-12)


def test_a_run_that_did_not_count_lesions_has_no_such_figures():
    cases = random_cases(2)
    without = replace(cases, measured=Measured())
    assert set(compute(cases)) - set(compute(without)) == NAMES
    assert set(compute_intervals(cases)) - set(compute_intervals(without)) == NAMES
    assert (f1(without).mean, recall(without).pooled, precision(without).macro) == (None, None, None)
