"""Intervals: each resample is the metric of the cases drawn, and the ends are SciPy's."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from imaging_core.metrics import intervals, resampling
from imaging_core.metrics.agreement import cohen_kappa, correlations, kappas, matthews
from imaging_core.metrics.calibration import bins_of, expected_calibration_error
from imaging_core.metrics.classification import ClassificationCases
from imaging_core.metrics.measured import Measured
from imaging_core.metrics.ranking import (
    area_under_roc,
    average_precision,
    delong,
    sensitivity_at_specificity,
)
from imaging_core.metrics.registry import CLASSIFICATION, SEGMENTATION, compute, compute_intervals
from imaging_core.metrics.resampling import Ranked, Resamples
from imaging_core.metrics.segmentation import SegmentationCases
from imaging_core.metrics.values import Values
from tests.imaging_core.metrics.cases import random_cases

KINDS = ["binary", "multiclass", "multilabel"]
ENDS = 0.025
"""Two bootstraps of the same cases agree so far."""


def segmentation(n: int = 150, classes: int = 1) -> SegmentationCases:
    random = np.random.default_rng(3)
    counts = random.integers(0, 200, (n, classes, 4))
    counts[:5, :, :3] = 0
    distances = random.gamma(2, 900, (n, classes, 2))
    distances[:9] = np.nan
    borders, lesions = random.integers(0, 400, counts.shape) * [1, 0, 1, 0], random.integers(0, 4, counts.shape)
    borders[:5], lesions[..., 3] = 0, 0
    return SegmentationCases(
        counts,
        counts[:, 0, :2].cumsum(axis=1),
        "one" if classes == 1 else "skip",
        measured=Measured(distances, borders, lesions),
    )


def among(cases: SegmentationCases, members: np.ndarray) -> SegmentationCases:
    """Some of the cases, as often as they are named."""
    of = cases.measured
    return replace(
        cases,
        counts=cases.counts[members],
        deephealth=cases.deephealth[members],
        measured=Measured(of.distances[members], of.borders[members], of.lesions[members]),
    )


def drawn(resamples: Resamples, row: int) -> np.ndarray:
    """The cases of one resample, as indices."""
    times = np.concatenate(list(resamples.chunks()))[row]
    assert times.sum() == resamples.cases
    return np.repeat(np.arange(resamples.cases), times)


@pytest.mark.parametrize("row", [0, 1, 777])
class TestAResampleIsTheMetricOfItsCases:
    @pytest.mark.parametrize(
        ("many", "one"),
        [
            (resampling.areas, area_under_roc),
            (resampling.precisions, average_precision),
            (
                lambda ranked, resamples: resampling.sensitivities(ranked, resamples, 0.8),
                lambda true, scores: sensitivity_at_specificity(true, scores, 0.8),
            ),
        ],
    )
    def test_of_ranks_with_ties(self, row, many, one):
        cases = random_cases("binary", 1, 90)
        true, scores, resamples = cases.labels == 1, cases.scores[:, 0], Resamples(90)
        members = drawn(resamples, row)
        values = many(Ranked(true, scores, np.arange(90)), resamples)
        assert values[row] == pytest.approx(one(true[members], scores[members]), abs=1e-9)

    @pytest.mark.parametrize("classes", [1, 3])
    @pytest.mark.parametrize("metric", SEGMENTATION, ids=lambda metric: metric.name)
    def test_of_pixels(self, row, metric, classes):
        cases = segmentation(classes=classes)
        resamples = Resamples(len(cases))
        spread = metric.spread(cases, resamples)
        members = drawn(resamples, row)
        value = metric.compute(among(cases, members))
        assert spread
        for name, draws in spread.items():
            assert draws[row] == pytest.approx(getattr(value, name), abs=1e-9), name

    def test_of_distances_too_large_to_be_summed_in_the_finest_steps(self, row):
        values = np.random.default_rng(1).gamma(2, 1e4, 3000)
        resamples = Resamples(len(values))
        assert resamples.means(values)[row] == pytest.approx(values[drawn(resamples, row)].mean(), rel=1e-9)

    def test_of_calibration(self, row):
        random = np.random.default_rng(5)
        chances, resamples = random.random(120), Resamples(120)
        true = random.random(120) < chances
        members = drawn(resamples, row)
        expected = expected_calibration_error(chances[members], true[members])
        assert resamples.binned_gaps(bins_of(chances), chances, true)[row] == pytest.approx(expected, abs=1e-9)

    @pytest.mark.parametrize(("many", "one"), [(kappas, cohen_kappa), (correlations, matthews)])
    def test_of_tables(self, row, many, one):
        cases = random_cases("multiclass", 0)
        tables = Resamples(len(cases)).tables(cases.cells, cases.classes)
        assert tables[row].sum() == len(cases)
        other = random_cases("multiclass", 0)
        other.__dict__["confusion"] = tables[row]
        assert many(tables)[row] == pytest.approx(one(other).pooled, abs=1e-12)

    @pytest.mark.parametrize("metric", CLASSIFICATION, ids=lambda metric: metric.name)
    def test_of_several_labels(self, row, metric):
        cases = random_cases("multilabel", 2, 80)
        resamples = Resamples(80)
        spread = metric.spread(cases, resamples)
        members = drawn(resamples, row)
        value = metric.compute(
            ClassificationCases(cases.kind, cases.classes, cases.labels[members], cases.scores[members], 0.4)
        )
        assert spread
        for name, draws in spread.items():
            assert draws[row] == pytest.approx(getattr(value, name), abs=1e-9), name


REFERENCES = {
    "accuracy": ("mean", sk.accuracy_score),
    "balanced_accuracy": ("macro", sk.balanced_accuracy_score),
    "f1": ("macro", lambda true, said: sk.f1_score(true, said, average="macro")),
    "cohen_kappa": ("pooled", sk.cohen_kappa_score),
    "matthews": ("pooled", sk.matthews_corrcoef),
}


def scipys(columns, statistic):
    found = stats.bootstrap(
        columns, statistic, paired=True, vectorized=False, n_resamples=1000, method="percentile",
        rng=np.random.default_rng(1),
    )  # fmt: skip
    return found.confidence_interval.low, found.confidence_interval.high


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_ends_are_scipys_for_decisions(name, kind):
    aggregation, statistic = REFERENCES[name]
    cases = random_cases(kind, 1)
    found = compute_intervals(cases)[name][aggregation]
    assert (found.low, found.high) == pytest.approx(scipys((cases.labels, cases.predicted), statistic), abs=ENDS)


@pytest.mark.parametrize(
    ("name", "statistic"),
    [("auroc", sk.roc_auc_score), ("average_precision", sk.average_precision_score), ("brier", sk.brier_score_loss)],
)
def test_ends_are_scipys_for_scores(name, statistic):
    cases = random_cases("binary", 1)
    found = compute_intervals(cases)[name]["mean" if name == "brier" else "pooled"]
    assert (found.low, found.high) == pytest.approx(scipys((cases.labels, cases.scores[:, 0]), statistic), abs=ENDS)


@pytest.mark.parametrize("cases", [*(random_cases(kind, 0) for kind in KINDS), segmentation(), segmentation(classes=3)])
def test_every_figure_lies_in_its_interval(cases):
    figures = compute(cases)
    for name, found in compute_intervals(cases).items():
        assert found, name
        for aggregation, interval in found.items():
            value = getattr(figures[name], aggregation)
            slack = 0.05 if name == "calibration_error" else 1e-9  # resampling adds to a sum of absolute differences
            assert interval.low - slack <= value <= interval.high + slack, (name, aggregation)
            assert interval.low < interval.high


def test_one_case_has_no_interval():
    assert compute_intervals(random_cases("binary", 0, 1)) == {}


def perfect(kind: str, n: int = 40) -> ClassificationCases:
    """Probabilities of exactly 0 and 1, all right."""
    cases = random_cases(kind, 2, n)
    scores = cases.truth[:, 1:] if kind == "binary" else cases.truth
    return replace(cases, scores=scores.astype(np.float64))


def constant(n: int = 300, classes: int = 3) -> ClassificationCases:
    """The same scores for every case, so that rankings know only how frequent classes are."""
    return ClassificationCases("multiclass", classes, np.arange(n) % classes, np.tile(np.eye(classes)[0], (n, 1)))


class TestWhatNoResampleChanges:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("most", [100_000, 10])
    def test_a_perfect_model_has_no_interval_of_anything(self, kind, most, monkeypatch):
        monkeypatch.setattr(intervals, "MOST_CASES", most)
        monkeypatch.setattr(intervals, "MOST_RANKED", most)
        assert set(map(str, compute_intervals(perfect(kind)).values())) == {"{}"}

    def test_nor_have_equal_masks(self, monkeypatch):
        random = np.random.default_rng(0).integers(1, 200, (40, 3, 4))
        counts = random * [1, 0, 0, 1]
        cases = SegmentationCases(counts, random[:, 0, :2] // 300 + 7, "skip")
        for most in (100_000, 10):
            monkeypatch.setattr(intervals, "MOST_CASES", most)
            assert set(map(str, compute_intervals(cases).values())) == {"{}"}

    def test_a_constant_ranking_has_none_but_for_rounding(self):
        found = compute_intervals(constant())
        assert "macro" not in found["auroc"], "a half in each class"
        assert found["matthews"] == found["cohen_kappa"] == {}
        assert "macro" not in found["average_precision"], "shares of the classes, which add up to 1 in each resample"
        assert found["accuracy"]["mean"].low < found["accuracy"]["mean"].high


def test_a_formulas_interval_does_not_leave_what_a_figure_can_be(monkeypatch):
    monkeypatch.setattr(intervals, "MOST_CASES", 10)
    monkeypatch.setattr(intervals, "MOST_RANKED", 10)
    labels = np.arange(60) % 2
    scores = np.where(np.arange(60) < 2, 0.5, labels)[:, np.newaxis]
    found = compute_intervals(ClassificationCases("binary", 2, labels, scores))
    assert (found["auroc"]["pooled"].method, found["auroc"]["pooled"].high) == ("DeLong", 1.0)
    assert (found["brier"]["mean"].method, found["brier"]["mean"].low) == ("normal", 0.0)


class TestPatients:
    def test_are_drawn_as_a_whole(self):
        patients = np.array([5, 9, 5, 7, 9, 5])
        times = np.concatenate(list(Resamples(6, patients).chunks()))
        assert (times[:, 0] == times[:, 2]).all()
        assert (times[:, 1] == times[:, 4]).all()
        assert (times[:, [0, 1, 3]].sum(axis=1) == 3).all(), "as many as there are"

    @pytest.mark.parametrize("kind", KINDS)
    def test_who_brought_every_case_twice_makes_intervals_no_narrower(self, kind):
        once = random_cases(kind, 3, 120)
        twice = ClassificationCases(
            kind, once.classes, once.labels.repeat(2, axis=0), once.scores.repeat(2, axis=0), once.threshold
        )
        patients = np.arange(120).repeat(2)
        alone, together = compute_intervals(once), compute_intervals(twice, patients)
        believed = compute_intervals(twice)
        for name, aggregation in (("f1", "macro"), ("auroc", "macro" if kind != "binary" else "pooled")):
            found, expected = together[name][aggregation], alone[name][aggregation]
            assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=ENDS)
            assert believed[name][aggregation].high - believed[name][aggregation].low < 0.85 * (found.high - found.low)

    def test_one_patient_has_no_interval(self):
        assert compute_intervals(random_cases("binary", 0, 20), np.zeros(20, dtype=np.int64)) == {}


class TestManyCases:
    def test_the_area_has_delongs_interval(self, monkeypatch):
        cases = random_cases("binary", 4)
        true, scores = cases.labels == 1, cases.scores[:, 0]
        pairs = (scores[true][:, None] > scores[~true]) + 0.5 * (scores[true][:, None] == scores[~true])
        variance = pairs.mean(axis=1).var(ddof=1) / true.sum() + pairs.mean(axis=0).var(ddof=1) / (~true).sum()
        assert math.fsum(delong(true, scores) ** 2) == pytest.approx(variance, rel=1e-9)
        bootstrap = compute_intervals(cases)["auroc"]["pooled"]
        monkeypatch.setattr(intervals, "MOST_RANKED", 10)
        found = compute_intervals(cases)["auroc"]["pooled"]
        half = stats.norm.ppf(0.975) * math.sqrt(variance)
        area = sk.roc_auc_score(true, scores)
        assert (found.low, found.high) == pytest.approx((area - half, area + half), abs=1e-9)
        assert found.method == "DeLong"
        assert (found.low, found.high) == pytest.approx((bootstrap.low, bootstrap.high), abs=ENDS)

    def test_of_several_classes_too(self, monkeypatch):
        cases = random_cases("multiclass", 4)
        bootstrap = compute_intervals(cases)["auroc"]["macro"]
        monkeypatch.setattr(intervals, "MOST_RANKED", 10)
        found = compute_intervals(cases)["auroc"]["macro"]
        assert (found.low, found.high) == pytest.approx((bootstrap.low, bootstrap.high), abs=ENDS)

    def test_means_have_the_normal_interval_and_tables_keep_the_bootstrap(self, monkeypatch):
        monkeypatch.setattr(intervals, "MOST_CASES", 10)
        cases = random_cases("binary", 4)
        found = compute_intervals(cases)
        squares = (cases.labels - cases.scores[:, 0]) ** 2
        expected = stats.norm.interval(0.95, squares.mean(), stats.sem(squares))
        assert (found["brier"]["mean"].low, found["brier"]["mean"].high) == pytest.approx(expected, abs=1e-9)
        assert found["brier"]["mean"].method == "normal"
        assert found["accuracy"]["mean"].method == "bootstrap"
        assert found["calibration_error"] == {}


@pytest.mark.parametrize(("figure", "kept"), [(0.1, False), (0.2, True), (0.25, True), (0.31, False), (None, False)])
def test_only_an_interval_that_holds_its_figure_is_kept(figure, kept):
    found = {"mean": intervals.Interval(0.2, 0.3, "bootstrap")}
    assert intervals.around(found, Values(mean=figure)) == (found if kept else {})
