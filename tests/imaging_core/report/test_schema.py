"""The published schema of metrics.json: it takes whatever gather writes, and no key that it does not know."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

import imaging_core.report
from imaging_core import run
from imaging_core.inference.ledger import Counts, Record
from imaging_core.inference.measured import Lesions, Surface, Surfaces
from steps.gather import main
from tests.imaging_core.report.synthetic_run import SyntheticRun, classification_records, make_card, segmentation_run

CLASSES = ("cat", "dog", "owl")
SCHEMA = json.loads((files(imaging_core.report) / "metrics.schema.json").read_bytes())
GROUPED = ("--patient", "patient", "--group-by", "sex", "--group-by", "age")


def classified(kind: str, **changes: Any) -> SyntheticRun:
    classes = CLASSES[:2] if kind == "binary" else CLASSES
    records = classification_records(60, 300, len(classes), kind=kind, failing=0.1)
    return replace(SyntheticRun(records, make_card(kind=kind, classes=classes), 300, classes, shards=2), **changes)


def with_features(synthetic: SyntheticRun) -> SyntheticRun:
    values = {index: [f"p{index // 2}", "fm"[index % 2], index] for index in range(synthetic.images)}
    return replace(synthetic, features=("patient", "sex", "age"), values=values)


def several_masks() -> SyntheticRun:
    """Of three classes, of which a case has two and no case has the third."""
    one = {0: Counts(9, 1, 2, 3), 1: Counts(1, 2, 1, 11), 2: Counts(0, 0, 0, 15)}
    records = [Record(str(case), "done", "", counts=one, deephealth=(case, 9)) for case in range(9)]
    return SyntheticRun(records, make_card("segmentation", "multiclass", CLASSES), 10)


def measured(several: SyntheticRun) -> SyntheticRun:
    """With surfaces of two sides, of one and of none, and lesions."""
    surface = {0: Surface(2.5, 1.0, 3, 9), 1: Surface(None, None, 0, 4), 2: Surface(None, None, 0, 0)}
    lesions = {k: Lesions(k, 1, 2) for k in range(3)}
    records = [replace(each, surface=Surfaces(0.0, "pixels", surface), lesions=lesions) for each in several.records]
    return replace(several, records=records)


def without_truth() -> SyntheticRun:
    whole = classified("multiclass")
    return replace(whole, records=[replace(record, label=None) for record in whole.records])


RUNS: dict[str, tuple[Callable[[Path], SyntheticRun], tuple[str, ...]]] = {
    "binary": (lambda _: classified("binary"), ()),
    "multiclass": (lambda _: classified("multiclass"), ()),
    "multilabel": (lambda _: classified("multilabel"), ()),
    "masks": (lambda folder: segmentation_run(folder, 12), ()),
    "masks of several classes": (lambda _: several_masks(), ()),
    "surfaces and lesions": (lambda _: measured(several_masks()), ()),
    "groups": (lambda _: with_features(classified("multiclass")), GROUPED),
    "groups of masks": (lambda folder: with_features(segmentation_run(folder, 12)), GROUPED),
    "incomplete": (lambda _: classified("multiclass", unfinished={1: 0}), ()),
    "nothing inferred": (lambda _: classified("multiclass", unfinished={0: 0, 1: 0}), ()),
    "without a ground truth": (lambda _: without_truth(), ()),
    "for comparison": (lambda _: classified("multiclass", policy="reference"), ()),
}


def document_of(name: str, folder: Path) -> Any:
    make, options = RUNS[name]
    make(folder).write(folder)
    assert main(["--run", str(folder / "run"), *options]) in (0, 1)
    return json.loads((folder / "run" / run.METRICS).read_bytes())


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a document but what a compute class is made of, which is open."""
    if isinstance(value, dict):
        yield value
        for key, each in value.items():
            yield from objects(each) if key != "compute_classes" else ()
    elif isinstance(value, list):
        for each in value:
            yield from objects(each)


def test_it_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", RUNS)
def test_what_gather_writes_is_valid_and_no_key_more_is(name, tmp_path):
    document = document_of(name, tmp_path)
    validator = Draft202012Validator(SCHEMA)
    validator.validate(document)
    for place in range(len(list(objects(document)))):
        changed = deepcopy(document)
        list(objects(changed))[place]["unknown"] = "a key that nobody has described"
        with pytest.raises(ValidationError):
            validator.validate(changed)


def test_nor_is_a_document_that_lacks_a_key(tmp_path):
    document = document_of("groups", tmp_path)
    validator = Draft202012Validator(SCHEMA)
    for key in document.keys() - {"confusion"}:
        with pytest.raises(ValidationError):
            validator.validate({each: value for each, value in document.items() if each != key})


def test_a_new_metric_needs_no_new_schema(tmp_path):
    document = document_of("groups", tmp_path)
    figures = {"mean": 0.5, "pooled": None, "macro": 1}
    interval = {"mean": {"low": 0.25, "high": 0.75, "method": "bootstrap"}}
    groups = [group for feature in document["groups"].values() for group in feature["groups"]]
    for metrics, intervals in [(document["metrics"], document["intervals"]["metrics"])] + [
        (group["metrics"], group["intervals"]) for group in groups
    ]:
        metrics["surface_agreement"], intervals["surface_agreement"] = figures, interval
    for row in document["per_class"]:
        row["surface_agreement"] = None
    Draft202012Validator(SCHEMA).validate(document)
