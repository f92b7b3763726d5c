"""Which cases are shown: the worst first, no case twice."""

from dataclasses import replace

import pytest

from imaging_core.inference.ledger import Counts, Record
from imaging_core.metrics.merge import Merged, merge
from imaging_core.report.gallery import choose
from tests.imaging_core.report.synthetic_run import SyntheticRun, classification_records, make_card


def with_overlaps(tmp_path, overlaps: list[int | None]) -> Merged:
    """Cases whose IoU is so many percent, in this order; None: without ground truth."""
    records = [
        Record(
            f"{k:02d}",
            "done",
            "",
            counts=None if iou is None else {1: Counts(iou, 100 - iou, 0, 0)},
            outputs={"mask": "m"},
        )
        for k, iou in enumerate(overlaps)
    ]
    card = make_card("segmentation", "binary", ["lesion"])
    return merge(SyntheticRun(records, card, 100).write(tmp_path))


def with_scores(tmp_path, cases: list[tuple[int | None, tuple[float, ...]]], kind: str = "multiclass") -> Merged:
    """Label and scores of each case."""
    records = [
        Record(f"{k:02d}", "done", "", label=None if label is None else (label,), scores=scores)
        for k, (label, scores) in enumerate(cases)
    ]
    classes = ["no", "yes"] if kind == "binary" else ["a", "b", "c"]
    return merge(SyntheticRun(records, make_card(kind=kind, classes=classes), 100).write(tmp_path))


def shown(merged: Merged) -> dict[str, tuple[int, ...]]:
    return {group.title: group.rows for group in choose(merged)}


def test_few_cases_are_all_shown_worst_first(tmp_path):
    assert shown(with_overlaps(tmp_path, [50, 90, 10, 70])) == {"All cases, worst first": (2, 0, 3, 1)}


def test_of_many_the_worst_the_median_and_the_best(tmp_path):
    overlaps = [(37 * k) % 101 for k in range(60)]
    ordered = sorted(range(60), key=lambda row: overlaps[row])
    groups = shown(with_overlaps(tmp_path, overlaps))
    assert groups["Worst cases"] == tuple(ordered[:6])
    assert groups["Typical cases"] == tuple(ordered[29:32])
    assert groups["Best cases"] == tuple(ordered[::-1][:3])


@pytest.mark.parametrize("n", range(1, 16))
def test_no_case_is_shown_twice(tmp_path, n):
    rows = [row for group in shown(with_overlaps(tmp_path, [k * 6 for k in range(n)])).values() for row in group]
    assert len(rows) == len(set(rows)) == min(n, 12)


def test_masks_without_ground_truth_are_shown_too(tmp_path):
    assert shown(with_overlaps(tmp_path, [None, None])) == {"First cases": (0, 1)}


def test_mistakes_that_the_model_was_sure_of_come_first(tmp_path):
    cases = [
        (0, (0.9, 0.05, 0.05)),
        (1, (0.8, 0.1, 0.1)),
        (2, (0.95, 0.03, 0.02)),
        (0, (0.4, 0.3, 0.3)),
        (1, (0.5, 0.4, 0.1)),
    ]
    groups = shown(with_scores(tmp_path, cases))
    assert groups == {"Confidently wrong": (2, 1, 4), "Right, but unsure": (3, 0)}


def test_a_binary_no_is_as_sure_as_its_score_is_low(tmp_path):
    cases = [(1, (0.4,)), (1, (0.1,)), (0, (0.3,)), (0, (0.05,)), (1, (0.9,))]
    groups = shown(with_scores(tmp_path, cases, "binary"))
    assert groups == {"Confidently wrong": (1, 0), "Right, but unsure": (2, 4, 3)}


def test_with_enough_right_cases_the_surest_are_shown_and_none_twice(tmp_path):
    records = classification_records(60, 100)
    groups = shown(merge(SyntheticRun(records, make_card(), 100).write(tmp_path)))
    rows = [row for group in groups.values() for row in group]
    assert len(rows) == len(set(rows))
    best = max((max(r.scores), -k) for k, r in enumerate(records) if r.scores.index(max(r.scores)) == r.label[0])
    assert max(records[groups["Right and sure"][0]].scores) == best[0]


def test_without_labels_the_least_sure(tmp_path):
    cases = [(None, (0.9, 0.05, 0.05)), (None, (0.4, 0.3, 0.3)), (None, (0.6, 0.2, 0.2))]
    assert shown(with_scores(tmp_path, cases)) == {"Least sure": (1, 2, 0)}


def test_failed_cases_are_not_among_them(tmp_path):
    records = classification_records(20, 50)
    failed = [replace(record, state="failed", scores=None, label=None) for record in records[:10]]
    merged = merge(SyntheticRun([*failed, *records[10:]], make_card(), 50).write(tmp_path))
    assert min(row for group in choose(merged) for row in group.rows) >= 10
