"""HD95, ASSD and surface Dice over cases and classes, against plain Python; what is undefined is left out."""

from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest

from imaging_core.metrics.counts import EmptyPolicy
from imaging_core.metrics.measured import Measured
from imaging_core.metrics.registry import compute, compute_intervals
from imaging_core.metrics.segmentation import SegmentationCases, empty_policy
from imaging_core.metrics.surface import assd, hd95, nsd

NAMES = {"hd95", "assd", "nsd"}


def random_cases(classes: int, n: int = 60, seed: int = 0) -> SegmentationCases:
    """A third of the pairs of case and class has an empty side, half of those two."""
    random = np.random.default_rng(seed)
    of = random.integers(1, 500, (n, classes))
    within = (of * random.random((n, classes))).astype(np.int64)
    distances = random.gamma(2, 5, (n, classes, 2))
    empty = random.random((n, classes))
    distances[empty < 0.33] = np.nan
    within[empty < 0.33] = 0
    of[empty < 0.16] = 0
    borders = np.stack([within, np.zeros_like(of), of - within, np.zeros_like(of)], axis=-1)
    counts = np.ones((n, classes, 4), dtype=np.int64)
    measured = Measured(distances, borders)
    return SegmentationCases(counts, np.full((n, 2), -1), empty_policy(classes), measured=measured)


def averaged(rows: list[list[float]]) -> float:
    """The mean over the rows of their means, without what is NaN and without rows that have nothing else."""
    means = [fmean(known) for row in rows if (known := [value for value in row if value == value])]
    return fmean(means)


@pytest.mark.parametrize("classes", [1, 4])
@pytest.mark.parametrize(("metric", "which"), [(hd95, 0), (assd, 1)])
def test_distances_are_averaged_over_what_has_them(classes, metric, which):
    cases = random_cases(classes)
    found, values = metric(cases), cases.measured.distances[..., which]
    assert found.mean == pytest.approx(averaged(values.tolist()), abs=1e-9)
    assert found.macro == pytest.approx(averaged(values.T.tolist()), abs=1e-9)
    assert found.per_class == pytest.approx([averaged([column]) for column in values.T.tolist()], abs=1e-9)
    assert found.pooled is None


@pytest.mark.parametrize(("classes", "worth"), [(1, 1.0), (4, None)])
def test_surface_dice_counts_an_absent_class_as_dice_does(classes, worth):
    cases = random_cases(classes)
    pairs = cases.measured.borders[..., [0, 2]].tolist()
    shares = [[within / (within + beyond) if within + beyond else worth for within, beyond in row] for row in pairs]
    rows = [[share for share in row if share is not None] for row in shares]
    found = nsd(cases)
    assert found.mean == pytest.approx(fmean(fmean(row) for row in rows if row), abs=1e-9)
    sums = cases.measured.borders[..., [0, 2]].sum(axis=0)
    assert found.per_class == pytest.approx((sums[:, 0] / sums.sum(axis=1)).tolist(), abs=1e-12)
    assert found.macro == pytest.approx(fmean(found.per_class), abs=1e-12)
    assert found.pooled == int(sums[:, 0].sum()) / int(sums.sum())


def test_a_case_with_one_empty_side_has_no_distance_and_a_surface_dice_of_0():
    empty = random_cases(1, 1)
    empty.measured.distances[:] = np.nan
    empty.measured.borders[:] = [0, 0, 31, 0]
    assert (hd95(empty).mean, hd95(empty).per_class, assd(empty).macro) == (None, (None,), None)
    assert nsd(empty).mean == nsd(empty).pooled == 0.0


@pytest.mark.parametrize(("empty", "mean"), [("one", 1.0), ("skip", None), ("zero", 0.0)])
def test_two_empty_sides_are_worth_what_the_policy_says(empty: EmptyPolicy, mean):
    cases = replace(random_cases(1, 1), empty=empty)
    cases.measured.distances[:] = np.nan
    cases.measured.borders[:] = 0
    assert (nsd(cases).mean, nsd(cases).pooled, hd95(cases).mean) == (mean, None, None)


def test_the_order_of_the_cases_changes_no_bit_and_that_of_the_classes_only_their_order():
    cases = random_cases(4)
    random = np.random.default_rng(1)
    rows, columns = random.permutation(60), random.permutation(4)
    one, counts, pixels = cases.measured, cases.counts, cases.deephealth
    shuffled = SegmentationCases(
        counts[rows], pixels[rows], "skip", measured=Measured(one.distances[rows], one.borders[rows])
    )
    renamed = SegmentationCases(
        counts, pixels, "skip", measured=Measured(one.distances[:, columns], one.borders[:, columns])
    )
    for metric in (hd95, assd, nsd):
        assert metric(shuffled) == metric(cases)
        assert (metric(renamed).mean, metric(renamed).macro) == pytest.approx(
            (metric(cases).mean, metric(cases).macro), abs=1e-12
        )
        assert metric(renamed).per_class == tuple(metric(cases).per_class[k] for k in columns)


def test_a_run_that_did_not_measure_surfaces_has_no_such_figures():
    cases = random_cases(2)
    without = replace(cases, measured=Measured())
    assert set(compute(cases)) - set(compute(without)) == NAMES
    assert set(compute_intervals(cases)) - set(compute_intervals(without)) == NAMES
    assert {name: compute(cases)[name] for name in compute(without)} == compute(without)
    assert hd95(without) == assd(without) == nsd(without)
    assert nsd(without).mean is None
