"""Two runs on the same cases: differences, paired intervals and tests, against SciPy."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from imaging_core.errors import DataError
from imaging_core.inference.ledger import Counts
from imaging_core.metrics.comparison import MOST_EXACT, compare, mcnemar, sign_flips
from imaging_core.metrics.merge import merge
from imaging_core.metrics.registry import compute
from tests.imaging_core.report.synthetic_run import SyntheticRun, classification_records, make_card, segmentation_run

CLASSES = ("cat", "dog", "owl")


def classification(records, shards=1):
    return SyntheticRun(records, make_card(), 500, CLASSES, shards=shards)


def worse(records, every=4):
    """The same cases, of which every fourth is called something else."""
    return [
        replace(each, scores=each.scores[1:] + each.scores[:1]) if number % every == 0 else each
        for number, each in enumerate(records)
    ]


@pytest.fixture
def pair(tmp_path):
    records = classification_records(150, 500)
    first = merge(classification(records, 3).write(tmp_path / "first"))
    return first, merge(classification(worse(records), 2).write(tmp_path / "second"))


class TestClassification:
    def test_differences_are_those_of_the_runs_own_figures(self, pair):
        found = compare(*pair)
        values = [compute(each.columns.cases()) for each in pair]
        assert (found.cases, found.only_first, found.only_second) == (150, 0, 0)
        for each in found.differences:
            first, second = (getattr(value[each.metric], each.aggregation) for value in values)
            assert (each.first, each.second, each.difference) == (first, second, second - first)

    def test_the_interval_is_that_of_paired_draws(self, pair):
        """It is narrower than two independent ones: most cases are the same in both runs."""
        found = {(each.metric, each.aggregation): each for each in compare(*pair).differences}
        right = [each.columns.cases().predicted == each.columns.cases().labels for each in pair]
        reference = stats.bootstrap(
            right, lambda a, b, axis=-1: np.mean(b, axis=axis) - np.mean(a, axis=axis), paired=True,
            n_resamples=1000, method="percentile", rng=np.random.default_rng(2),
        ).confidence_interval  # fmt: skip
        interval = found["accuracy", "mean"].interval
        assert (interval.low, interval.high) == pytest.approx((reference.low, reference.high), abs=0.02)

    def test_mcnemar_counts_the_cases_that_only_one_gets_right(self, pair):
        first, second = (each.columns.cases().predicted == each.columns.cases().labels for each in pair)
        one, other = int((first & ~second).sum()), int((~first & second).sum())
        test = compare(*pair).test
        assert test.p == pytest.approx(stats.binomtest(min(one, other), one + other).pvalue, abs=1e-12)
        assert test.words == f"{one} cases only the first run gets right, {other} only the second"

    def test_the_changed_cases_are_named(self, pair):
        first, second = (each.columns.cases().predicted == each.columns.cases().labels for each in pair)
        ids = [pair[0].expected.id(row) for row in np.flatnonzero(first != second)]
        assert sorted(each.case for each in compare(*pair).changed) == ids


@pytest.mark.parametrize(("one", "other"), [(0, 0), (0, 5), (7, 3), (40, 61), (MOST_EXACT, 900)])
def test_mcnemars_p(one, other):
    expected = stats.binomtest(min(one, other), one + other).pvalue if one + other else 1.0
    assert mcnemar(one, other) == pytest.approx(expected, abs=1e-9)


def test_many_cases_take_the_normal_approximation():
    assert mcnemar(1100, 1000) == pytest.approx(stats.binomtest(1000, 2100).pvalue, abs=1e-3)


def test_sign_flips_are_scipys_permutation_test():
    random = np.random.default_rng(0)
    for shift in (0.0, 0.05, 0.2):
        differences = random.normal(shift, 0.3, 60)
        reference = stats.permutation_test(
            (differences,), np.mean, permutation_type="samples", n_resamples=10_000, rng=np.random.default_rng(1)
        )
        assert sign_flips(differences) == pytest.approx(reference.pvalue, abs=0.02)


def test_the_cases_of_a_patient_are_swapped_together():
    random = np.random.default_rng(0)
    sums = random.normal(0.3, 1, 12)
    shares = random.dirichlet(np.ones(5), 12)
    differences, patients = (sums[:, None] * shares).ravel(), np.arange(12).repeat(5)
    order = random.permutation(60)
    signs = np.array([[1 - 2 * (number >> bit & 1) for bit in range(12)] for number in range(2**12)])
    exact = (np.abs(signs @ sums) >= abs(sums.sum()) - 1e-9).mean()
    assert sign_flips(differences[order], 7 * patients[order]) == pytest.approx(exact, abs=0.02)
    assert sign_flips(differences, np.arange(60)) == sign_flips(differences)


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_who_brings_every_case_four_times_as_one_patient_proves_nothing_more(tmp_path, task):
    """A patient's cases are the same, so what is compared is patients; as cases they look like four times as many."""
    made = [segmentation_run(tmp_path / "x", 1, 200).records[0]] if task == "segmentation" else []
    right = made[0] if made else classification_records(1, 200)[0]
    counts = {1: Counts(1, 500, 500, 600)}
    wrong = replace(right, counts=counts) if made else replace(right, scores=right.scores[1:] + right.scores[:1])
    card = make_card("segmentation", "binary", ["lesion"]) if made else make_card()
    runs = []
    for name, marks in (("a", [True] * 6 + [False]), ("b", [False] * 6 + [True])):
        records = [
            replace(right if mark else wrong, case=f"{4 * n + k:03}") for n, mark in enumerate(marks) for k in range(4)
        ]
        values = {case: [f"p{case // 4}"] for case in range(28)}
        runs.append(SyntheticRun(records, card, 200, features=["patient"], values=values).write(tmp_path / name))
    alone, together = (compare(*(merge(store, patient=patient) for store in runs)) for patient in (None, "patient"))
    assert (alone.of, together.of) == ("cases", "patients")
    assert alone.test.words == together.test.words
    assert together.test.p == pytest.approx(2 * (1 + 7) / 2**7, abs=0.02), "six patients to one"
    assert alone.test.p < 0.001


def test_only_cases_that_both_scored_count(tmp_path):
    records = classification_records(60, 500)
    first = merge(classification(records[:50]).write(tmp_path / "a"))
    second = merge(classification(records[20:]).write(tmp_path / "b"))
    found = compare(first, second)
    assert (found.cases, found.only_first, found.only_second) == (30, 20, 10)
    assert all(each.difference == 0 for each in found.differences)
    assert found.changed == ()


def test_segmentations_are_compared_by_iou(tmp_path):
    run = segmentation_run(tmp_path / "x", 20, 40)
    first = merge(run.write(tmp_path / "a"))
    for number in (3, 11):
        run.records[number] = replace(run.records[number], counts={1: Counts(1, 500, 500, 600)})
    found = compare(first, merge(run.write(tmp_path / "b")))
    assert found.task == "segmentation"
    assert {each.case for each in found.changed} == {run.records[3].case, run.records[11].case}
    gaps = [each.first - each.second for each in found.changed]
    assert gaps == sorted(gaps, reverse=True)
    assert found.test.words == "IoU is higher in the second run in 0 cases, lower in 2"
    assert found.test.p == pytest.approx(0.5, abs=0.02), "two signs out of two: one of two flips is as far"


def test_what_has_nothing_in_common_is_refused(tmp_path):
    records = classification_records(60, 500)
    first = merge(classification(records[:20]).write(tmp_path / "a"))
    other_task = merge(segmentation_run(tmp_path / "x", 12, 500).write(tmp_path / "b"))
    with pytest.raises(DataError, match="different tasks or classes"):
        compare(first, other_task)
    with pytest.raises(DataError, match="no scored case in common; compare runs of the same split"):
        compare(first, merge(classification(records[40:]).write(tmp_path / "c")))
