"""The report's figures: which there are, that they say what the metrics say, and that they stay small."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from imaging_core.metrics.classification import ClassificationCases
from imaging_core.metrics.merge import merge
from imaging_core.metrics.registry import compute
from imaging_core.metrics.segmentation import SegmentationCases
from imaging_core.report.classification_plots import classification_plots
from imaging_core.report.document import metrics_document
from imaging_core.report.plots import SERIES, THEME
from imaging_core.report.segmentation_plots import LEAST, segmentation_plots
from imaging_core.report.verdict import Rules, judge
from tests.imaging_core.report.synthetic_run import SyntheticRun, classification_records, make_card

HOSTILE = "<script>$x^{2}$</script>"


def plots_of(folder, kind, classes, n=200):
    names = [HOSTILE, *(f"class {number}" for number in range(1, classes))]
    records = classification_records(n, n + 10, classes, kind=kind)
    merged = merge(SyntheticRun(records, make_card(kind=kind, classes=names), n + 10).write(folder))
    document = metrics_document(merged, judge(merged, Rules()))
    return classification_plots(merged.columns.cases(), document), document


@pytest.mark.parametrize(("kind", "classes"), [("binary", 2), ("multiclass", 3), ("multilabel", 4)])
def test_every_kind_of_classification_has_four_figures(tmp_path, kind, classes):
    plots, document = plots_of(tmp_path, kind, classes)
    assert [plot.title for plot in plots] == ["ROC", "Precision and recall", "Calibration", "Scores"]
    areas = [f"{row['auroc']:.3f}" for row in document["per_class"]][-1 if kind == "binary" else 0 :]
    assert [key.figure for key in plots[0].legend] == [*areas, ""]


@pytest.mark.parametrize(("kind", "classes"), [("binary", 2), ("multiclass", 3), ("multilabel", 4)])
def test_a_drawing_is_well_formed_in_the_pages_colours_and_holds_no_text_of_the_dataset(tmp_path, kind, classes):
    for plot in plots_of(tmp_path, kind, classes)[0]:
        ElementTree.fromstring(plot.svg)  # noqa: S314 - our own
        assert not re.search("|".join(THEME.values()), plot.svg)
        assert "var(--series-1)" in plot.svg
        assert "script" not in plot.svg
        assert "x^{2}" not in plot.svg


def test_identifiers_differ_between_the_figures_of_a_page(tmp_path):
    plots, _ = plots_of(tmp_path, "multilabel", 4)
    names = [name for plot in plots for name in set(re.findall(r'\bid="([^"]+)"', plot.svg))]
    assert len(names) == len(set(names))


def test_of_many_classes_those_of_the_lowest_auroc_are_drawn(tmp_path):
    plots, document = plots_of(tmp_path, "multiclass", 9)
    lowest = sorted(row["auroc"] for row in document["per_class"])[:SERIES]
    assert [key.figure for key in plots[0].legend[:-1]] == [f"{area:.3f}" for area in lowest]
    assert f"The {SERIES} classes of the lowest AUROC, of 9" in plots[0].note


def test_a_class_looks_the_same_in_all_figures(tmp_path):
    plots, _ = plots_of(tmp_path, "multilabel", 9)
    roc, precision, calibration, _ = ([(key.name, key.colour, key.dash) for key in plot.legend] for plot in plots)
    assert roc[:SERIES] == precision[:SERIES] == calibration[:SERIES]


def test_calibration_alone_is_that_of_the_first_labels(tmp_path):
    records = classification_records(60, 70, 9, kind="multilabel")
    merged = merge(SyntheticRun(records, make_card(kind="multilabel", classes=list("abcdefghi")), 70).write(tmp_path))
    document = metrics_document(merged, judge(merged, Rules()), ["calibration_error"])
    plot, _ = classification_plots(merged.columns.cases(), document)
    assert [key.name for key in plot.legend] == [*"abcdef", "perfect"]


def test_a_legends_dashes_are_those_of_the_lines(tmp_path):
    plot = plots_of(tmp_path, "multilabel", SERIES)[0][0]
    for key in plot.legend[1:SERIES]:
        drawn = re.search(rf'stroke-dasharray: ([0-9.,]+);[^"]*var\(--{key.colour}\)', plot.svg)
        lengths = [[float(each) for each in text] for text in (drawn[1].split(","), key.dash.split())]
        assert lengths[0] == pytest.approx(lengths[1])


def test_scores_that_are_no_probabilities_have_no_calibration():
    generator = np.random.default_rng(0)
    cases = ClassificationCases(
        "binary", 2, generator.integers(0, 2, 50), generator.normal(0, 5, (50, 1)), probabilities=False
    )
    document = document_of(cases, ["no", "yes"])
    assert [plot.title for plot in classification_plots(cases, document)] == ["ROC", "Precision and recall", "Scores"]


def test_a_class_that_no_case_is_of_has_no_curve():
    cases = ClassificationCases("multiclass", 3, np.array([0, 1, 0, 1]), np.eye(3)[[0, 1, 1, 1]])
    plots = classification_plots(cases, document_of(cases, ["a", "b", "never"]))
    assert [key.name for key in plots[0].legend] == ["a", "b", "chance"]


def test_without_any_two_classes_only_calibration_and_scores_remain():
    cases = ClassificationCases("multiclass", 2, np.zeros(4, np.int64), np.eye(2)[[0, 1, 0, 0]])
    plots = classification_plots(cases, document_of(cases, ["a", "b"]))
    assert [plot.title for plot in plots] == ["Calibration", "Scores"]


def test_a_hundred_thousand_cases_take_no_more_room_than_a_page_has():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 8, 100_000)
    scores = generator.random((100_000, 8))
    scores[np.arange(100_000), labels] += 0.5
    cases = ClassificationCases("multiclass", 8, labels, scores / scores.sum(axis=1, keepdims=True))
    for plot in classification_plots(cases, document_of(cases, [f"class {number}" for number in range(8)])):
        assert len(plot.svg) < 200_000


def document_of(cases, names):
    values = compute(cases)
    return {
        "classes": names,
        "metrics": {name: {"pooled": value.pooled, "macro": value.macro} for name, value in values.items()},
        "per_class": [
            {name: value.per_class[number] for name, value in values.items() if value.per_class}
            for number in range(cases.classes)
        ],
    }


def segmentation_cases(n, generator):
    true = generator.integers(100, 5000, n)
    tp = (true * generator.random(n)).astype(np.int64)
    fp = generator.integers(0, 500, n)
    counts = np.stack([tp, fp, true - tp, 10_000 - true - fp], axis=-1)[:, np.newaxis]
    return SegmentationCases(counts, np.full((n, 2), -1), "one")


class TestSegmentation:
    def test_how_iou_is_distributed_and_how_it_depends_on_size(self):
        cases = segmentation_cases(200, np.random.default_rng(0))
        distribution, by_size = segmentation_plots(cases)
        assert distribution.legend[0].figure == f"{compute(cases)['iou'].mean:.4f}"
        assert by_size.title == "IoU by size"
        assert by_size.alt.count("%") == 5

    def test_few_cases_say_nothing_of_size(self):
        plots = segmentation_plots(segmentation_cases(LEAST - 1, np.random.default_rng(0)))
        assert [plot.title for plot in plots] == ["IoU over the cases"]

    def test_nothing_scored_is_nothing_drawn(self):
        assert segmentation_plots(SegmentationCases(np.zeros((0, 1, 4), np.int64), np.zeros((0, 2)), "one")) == []
