"""predictions.csv: every case once, in order, and nothing that a spreadsheet would run."""

import csv
import io
from dataclasses import replace

import pytest

from imaging_core.inference.ledger import Record
from imaging_core.metrics.merge import merge
from imaging_core.report.predictions import predictions_csv, safe_text
from tests.imaging_core.report.synthetic_run import SyntheticRun, classification_records, make_card, segmentation_run

CLASSES = ("cat", "dog", "owl")


def table(synthetic, folder, names=True):
    data = predictions_csv(merge(synthetic.write(folder), names=names))
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def test_one_label_per_case(tmp_path):
    records = classification_records(70, 300)
    rows = table(SyntheticRun(records, make_card(), 300, CLASSES, shards=3), tmp_path)
    assert list(rows[0]) == ["case", "image", "state", "kind", "reason", "label", "predicted"] + [
        f"score_{name}" for name in CLASSES
    ]
    for row, record in zip(rows, records, strict=True):
        assert row["case"] == record.case
        assert row["image"] == f"images/{int(record.case)}.png"
        assert row["label"] == CLASSES[record.label[0]]
        assert row["predicted"] == CLASSES[record.scores.index(max(record.scores))]
        assert [row[f"score_{name}"] for name in CLASSES] == [repr(score) for score in record.scores]


def test_a_binary_model_has_the_score_of_its_positive_class(tmp_path):
    records = classification_records(20, 50, kind="binary")
    rows = table(SyntheticRun(records, make_card(kind="binary", classes=["benign", "ill"]), 50), tmp_path)
    assert [name for name in rows[0] if name.startswith("score_")] == ["score_ill"]
    assert [row["predicted"] == "ill" for row in rows] == [record.scores[0] >= 0.5 for record in records]


def test_several_labels_per_case(tmp_path):
    records = classification_records(20, 50, kind="multilabel")
    rows = table(SyntheticRun(records, make_card(kind="multilabel"), 50, CLASSES), tmp_path)
    for row, record in zip(rows, records, strict=True):
        assert [row[f"label_{name}"] for name in CLASSES] == [str(int(k in record.label)) for k in range(3)]
        assert [row[f"predicted_{name}"] for name in CLASSES] == [str(int(score >= 0.5)) for score in record.scores]


def test_segmentation(tmp_path):
    synthetic = segmentation_run(tmp_path, 5, 20)
    rows = table(synthetic, tmp_path)
    for row, record in zip(rows, synthetic.records, strict=True):
        counts = record.counts[1]
        assert [int(row[f"{cell}_lesion"]) for cell in ("tp", "fp", "fn", "tn")] == [
            counts.tp,
            counts.fp,
            counts.fn,
            counts.tn,
        ]
        assert float(row["iou"]) == counts.tp / (counts.tp + counts.fp + counts.fn)
        assert row["mask"] == record.outputs["mask"]


def test_other_states_have_a_reason_and_no_figures(tmp_path):
    records = classification_records(5, 20)
    records[1] = Record(records[1].case, "failed", "", kind="missing", reason="the image is not there")
    records[3] = Record(records[3].case, "skipped", "", kind="not_frontal", reason="view is lateral")
    rows = table(SyntheticRun(records, make_card(), 20, CLASSES), tmp_path)
    assert [row["state"] for row in rows] == ["done", "failed", "done", "skipped", "done"]
    assert (rows[1]["kind"], rows[1]["reason"]) == ("missing", "the image is not there")
    assert {rows[1][name] for name in ("label", "predicted", "score_cat")} == {""}


def test_missing_cases_are_there_too(tmp_path):
    synthetic = SyntheticRun(classification_records(5, 20), make_card(), 20, CLASSES, unfinished={0: 0})
    rows = table(synthetic, tmp_path)
    assert [row["state"] for row in rows] == ["missing"] * 5


def test_a_case_without_ground_truth_has_a_prediction(tmp_path):
    records = [replace(record, label=None) for record in classification_records(3, 20)]
    rows = table(SyntheticRun(records, make_card(), 20, CLASSES), tmp_path)
    assert {row["label"] for row in rows} == {""}
    assert all(row["predicted"] in CLASSES for row in rows)


def test_without_case_names_there_is_no_image_column(tmp_path):
    synthetic = SyntheticRun(classification_records(3, 20), make_card(), 20, CLASSES)
    assert "image" not in table(synthetic, tmp_path, names=False)[0]


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "\r=1", "\n-2", "\uff1d1", "'quoted", '=HYPERLINK("x","y")'],
)
def test_what_a_spreadsheet_would_run_gets_an_apostrophe_that_can_be_taken_off_again(text):
    assert safe_text(text) == "'" + text


@pytest.mark.parametrize("text", ["cat", "a=b", "1-2", "naevus, benign", ""])
def test_other_texts_stay_as_they_are(text):
    assert safe_text(text) == text


def test_hostile_class_and_file_names_survive_the_round_trip_without_being_formulas(tmp_path):
    classes = ("=cmd|'/C calc'!A0", 'a"b,c', "-x")
    records = classification_records(30, 50)
    names = {int(record.case): f'=@ {record.case},"x".png' for record in records}
    synthetic = SyntheticRun(records, make_card(classes=classes), 50, classes, names=names)
    rows = table(synthetic, tmp_path)
    assert [row["image"].removeprefix("'") for row in rows] == list(names.values())
    assert [row["label"].removeprefix("'") for row in rows] == [classes[record.label[0]] for record in records]
    texts = [row[name] for row in rows for name in ("case", "image", "state", "kind", "reason", "label", "predicted")]
    assert not any(text.startswith(("=", "+", "-", "@")) for text in [*texts, *rows[0]])
