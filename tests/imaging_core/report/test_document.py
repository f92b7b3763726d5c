"""metrics.json: the figures of the registry, every state counted, null where something is undefined."""

import json
from dataclasses import replace

import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, roc_auc_score

from imaging_core import run
from imaging_core.inference.ledger import Record
from imaging_core.metrics.merge import merge
from imaging_core.report.document import metrics_document
from imaging_core.report.verdict import Rules, judge
from tests.imaging_core.report.synthetic_run import SyntheticRun, classification_records, make_card, segmentation_run

CLASSES = ("cat", "dog", "owl")


def document_of(synthetic, folder, **rules):
    merged = merge(synthetic.write(folder))
    return json.loads(run.to_json(metrics_document(merged, judge(merged, Rules(**rules)))))


def test_says_what_was_scored_with_which_model(tmp_path):
    synthetic = SyntheticRun(classification_records(80, 500, failing=0.1), make_card(), 500, CLASSES, name="pets")
    document = document_of(synthetic, tmp_path)
    failed = sum(record.state == "failed" for record in synthetic.records)
    assert failed > 0
    assert document["cases"] == {
        "expected": 80,
        "done": 80 - failed,
        "failed": failed,
        "skipped": 0,
        "missing": 0,
        "scored": 80 - failed,
    }
    assert document["failed_by_kind"] == {"unreadable": failed}
    assert document["dataset"] == {"sha256": "d" * 64, "name": "pets", "images": 500}
    assert (document["model"]["name"], document["model"]["architecture"]) == ("model-a", "lenet5")
    assert (document["task"], document["kind"], document["split"]) == ("classification", "multiclass", "test")
    assert (document["complete"], document["acceptable"]) == (True, False)


def test_figures_are_scikit_learns(tmp_path):
    records = classification_records(150, 500)
    document = document_of(SyntheticRun(records, make_card(), 500, CLASSES, shards=4), tmp_path)
    truth = [record.label[0] for record in records]
    said = [record.scores.index(max(record.scores)) for record in records]
    one_hot = [[k == label for k in range(3)] for label in truth]
    scores = [record.scores for record in records]
    metrics = document["metrics"]
    assert metrics["accuracy"]["mean"] == pytest.approx(accuracy_score(truth, said), abs=1e-9)
    assert metrics["auroc"]["macro"] == pytest.approx(roc_auc_score(one_hot, scores, average="macro"), abs=1e-9)
    assert document["confusion"] == confusion_matrix(truth, said).tolist()
    assert [row["support"] for row in document["per_class"]] == [truth.count(k) for k in range(3)]


def test_a_binary_model_with_one_name_gets_a_name_for_the_other_class(tmp_path):
    card = make_card(kind="binary", classes=["ill"])
    document = document_of(SyntheticRun(classification_records(9, 20, 2, kind="binary"), card, 20), tmp_path)
    assert document["classes"] == ["not ill", "ill"]
    assert [row["class"] for row in document["per_class"]] == ["not ill", "ill"]


def test_a_multilabel_run_has_counts_per_label_and_no_confusion_matrix(tmp_path):
    records = classification_records(60, 100, kind="multilabel")
    document = document_of(SyntheticRun(records, make_card(kind="multilabel"), 100, CLASSES), tmp_path)
    assert "confusion" not in document
    for k, row in enumerate(document["per_class"]):
        assert row["tp"] + row["fn"] == sum(k in record.label for record in records) == row["support"]
        assert sum(row[cell] for cell in ("tp", "fp", "fn", "tn")) == 60


def test_a_segmentation_has_the_three_overlaps_and_names_its_policy(tmp_path):
    document = document_of(segmentation_run(tmp_path, 6, 10), tmp_path)
    assert document["empty_policy"] == "one"
    assert document["metrics"]["iou"]["pooled"] == pytest.approx(
        document["metrics"]["dice"]["pooled"] / (2 - document["metrics"]["dice"]["pooled"])
    )
    assert document["metrics"]["iou_deephealth"]["pooled"] is None
    assert [row["class"] for row in document["per_class"]] == ["lesion"]


def test_without_ground_truth_everything_is_null_and_the_run_is_acceptable(tmp_path):
    records = [replace(record, label=None) for record in classification_records(20, 50)]
    document = document_of(SyntheticRun(records, make_card(), 50, CLASSES), tmp_path)
    assert document["acceptable"]
    assert document["cases"]["scored"] == 0
    assert {value for values in document["metrics"].values() for value in values.values()} == {None}


def test_before_anything_was_inferred_there_is_no_model(tmp_path):
    synthetic = SyntheticRun(classification_records(20, 50), make_card(), 50, CLASSES, unfinished={0: 0})
    document = document_of(synthetic, tmp_path)
    assert document["model"] is None
    assert document["classes"] == list(CLASSES)
    assert document["metrics"]["accuracy"] == {"mean": None, "pooled": None, "macro": None}
    assert not document["complete"]


def test_a_run_whose_cases_all_failed_is_complete(tmp_path):
    records = [Record(f"{i:02d}", "failed", "", kind="missing", reason="the image is not there") for i in range(20)]
    document = document_of(SyntheticRun(records, make_card(), 50, CLASSES), tmp_path, max_failed=20)
    assert (document["complete"], document["acceptable"]) == (True, True)
    assert document["metrics"]["accuracy"]["mean"] is None
