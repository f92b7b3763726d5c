"""What the report says of surfaces and lesions: figures, tolerance, what is undefined; else nothing."""

import csv
import io
import json
import re
from dataclasses import replace
from html import unescape

import pytest

from imaging_core import run
from imaging_core.inference.ledger import Counts, Record
from imaging_core.inference.measured import Lesions, Surface, Surfaces
from imaging_core.metrics.comparison import compare
from imaging_core.metrics.merge import merge
from imaging_core.report.verdict import Rules
from imaging_core.report.write import write_report
from tests.imaging_core.report.synthetic_run import SyntheticRun, make_card, segmentation_run
from workflows.verdict import verdict

SURFACE = {"hd95", "assd", "nsd"}
LESIONS = {"lesion_f1", "lesion_recall", "lesion_precision"}


def measured_run(folder, tolerance=2.5, n=12, measured=12) -> SyntheticRun:
    """In the first case both sides are empty, in the next two one; of the last ones nothing may be known."""
    synthetic = segmentation_run(folder, n, 40)
    for number in range(measured):
        known = number > 2
        surface = Surface(3.0 * number, 0.5 * number, 90, 100) if known else Surface(None, None, 0, 50 * (number > 0))
        synthetic.records[number] = replace(
            synthetic.records[number],
            surface=Surfaces(tolerance, "pixels", {1: surface}),
            lesions={1: Lesions(number % 3, 1, number % 2)},
        )
    return synthetic


def reported(synthetic, folder):
    """metrics.json, the table, the page and what gather prints."""
    store = synthetic.write(folder)
    report = write_report(store, merge(store), Rules())
    table = csv.DictReader(io.StringIO(store.get(run.PREDICTIONS).decode(), newline=""))
    return json.loads(store.get(run.METRICS)), list(table), store.get(run.REPORT_PAGE).decode(), report.text


def test_figures_tolerance_and_what_is_undefined(tmp_path):
    document, _, page, text = reported(measured_run(tmp_path), tmp_path)
    metrics = document["metrics"]
    assert metrics["hd95"] == {"mean": 3.0 * 63 / 9, "macro": 3.0 * 63 / 9, "pooled": None}
    assert metrics["nsd"]["mean"] == pytest.approx((1 + 0 + 0 + 9 * 0.9) / 12, abs=1e-12)
    assert metrics["nsd"]["pooled"] == 810 / 1000
    assert metrics["lesion_f1"]["pooled"] == 2 * 12 / (2 * 12 + 12 + 6)
    undefined = {"class": "lesion", "defined": 9, "one_empty": 2, "both_empty": 1}
    assert document["surface"] == {"tolerance": 2.5, "unit": "pixels", "cases": 12, "per_class": [undefined]}
    assert document["lesions"] == {"cases": 12, "per_class": [{"class": "lesion", "tp": 12, "fp": 12, "fn": 6}]}
    assert {"mean", "macro"} == set(document["intervals"]["metrics"]["assd"])
    said = (
        "Surface distances are in pixels, the tolerance is 2.5; undefined, and left out, in 2 where only one side has "
        "the class and 1 where neither side has it, of 12 pairs of case and class."
    )
    for place in (page, text, "\n".join(verdict(document))):
        assert said in place
        assert "Normalised surface Dice" in place


def test_each_class_has_its_own_on_the_page(tmp_path):
    """Of a class that no case has on both sides, distances are a dash."""
    page = of_two_classes(tmp_path)
    table = re.search(r'<h3 id="measured">.*?</table>', page, re.DOTALL)
    rows = re.findall(r"<tr>(.*?)</tr>", table[0])
    cells = [[unescape(re.sub("<[^>]*>", "", cell)) for cell in re.findall("<t[hd].*?</t[hd]>", row)] for row in rows]
    distances = ["Cases with distances", "Hausdorff distance, 95\N{NO-BREAK SPACE}%", "Average surface distance"]
    lesions = ["True lesions", "Lesion F1", "Lesion recall", "Lesion precision"]
    assert cells[0] == ["Class", *distances, "Normalised surface Dice", *lesions]
    found = f"{2 * 24 / (2 * 24 + 12 + 36):.4f}", f"{24 / 60:.4f}", f"{24 / 36:.4f}"
    assert cells[1] == ["back & ground", "12", "41.2500", "0.5000", "0.9000", "60", *found]
    none = "\N{EN DASH}not defined"
    assert cells[2] == ["organ", "0", none, none, "0.0000", "12", "0.0000", "0.0000", none]


def of_two_classes(folder) -> str:
    """The page of a run whose second class is never predicted."""
    surface = {0: Surface(41.25, 0.5, 90, 100), 1: Surface(None, None, 0, 7)}
    lesions = {0: Lesions(2, 1, 3), 1: Lesions(0, 0, 1)}
    records = [
        Record(
            f"{case:02}",
            "done",
            "",
            counts={0: Counts(9, 1, 0, 0), 1: Counts(0, 0, 1, 9)},
            surface=Surfaces(1.0, "pixels", surface),
            lesions=lesions,
        )
        for case in range(12)
    ]
    card = make_card("segmentation", "multiclass", ["back & ground", "organ"])
    return reported(SyntheticRun(records, card, 20), folder)[2]


def test_each_case_has_its_own_in_the_table(tmp_path):
    _, rows, _, _ = reported(measured_run(tmp_path), tmp_path)
    names = ["hd95_lesion", "assd_lesion", "nsd_lesion", "lesion_tp_lesion", "lesion_fp_lesion", "lesion_fn_lesion"]
    assert list(rows[0])[-7:] == [*names, "mask"]
    cells = [[row[name] for name in names] for row in rows]
    assert cells[0] == ["", "", "1.0", "0", "1", "0"]
    assert cells[1] == ["", "", "0.0", "1", "1", "1"]
    assert cells[5] == ["15.0", "2.5", "0.9", "2", "1", "1"]


def test_a_run_that_measured_nothing_says_nothing_of_it(tmp_path):
    document, rows, page, text = reported(segmentation_run(tmp_path, 12, 40), tmp_path)
    assert not (SURFACE | LESIONS) & set(document["metrics"])
    assert not (SURFACE | LESIONS) & set(document["intervals"]["metrics"])
    assert not {"surface", "lesions"} & set(document)
    assert not any("hd95" in name or "lesion_tp" in name for name in rows[0] if name != "tp_lesion")
    assert "urface" not in page + text
    assert "Hausdorff" not in page + text


def test_before_anything_was_inferred_there_is_nothing_either(tmp_path):
    document, *_ = reported(replace(segmentation_run(tmp_path, 5, 40), unfinished={0: 0, 1: 0, 2: 0}), tmp_path)
    assert document["metrics"]["iou"]["mean"] is None
    assert not (SURFACE | LESIONS) & set(document["metrics"])


def test_a_mean_over_some_of_the_cases_is_not_given(tmp_path):
    document, rows, page, text = reported(measured_run(tmp_path, measured=7), tmp_path)
    assert not (SURFACE | LESIONS) & set(document["metrics"])
    assert (document["surface"]["cases"], document["lesions"]["cases"]) == (7, 7)
    for what in ("surface distances", "lesions"):
        said = f"Only 7 of 12 scored cases have {what}, so no figure is given"
        assert said in page
        assert said in text
    assert [row["hd95_lesion"] for row in rows[6:8]] == ["18.0", ""]


def test_runs_are_compared_by_what_both_measured_at_one_tolerance(tmp_path):
    first = merge(measured_run(tmp_path / "x").write(tmp_path / "a"))
    same = merge(measured_run(tmp_path / "y").write(tmp_path / "b"))
    other = merge(measured_run(tmp_path / "z", tolerance=4.0).write(tmp_path / "c"))
    without = merge(segmentation_run(tmp_path / "w", 12, 40).write(tmp_path / "d"))
    compared = [{each.metric for each in compare(first, second).differences} for second in (same, other, without)]
    assert compared[0] >= SURFACE | LESIONS
    assert compared[0] - compared[1] == {"nsd"}
    assert compared[0] - compared[2] == SURFACE | LESIONS


def test_mixed_units_are_told_and_not_averaged(tmp_path):
    synthetic = measured_run(tmp_path)
    for number in (3, 5):
        record = synthetic.records[number]
        synthetic.records[number] = replace(record, surface=replace(record.surface, unit="mm"))
    document, table, page, text = reported(synthetic, tmp_path)
    assert document["surface"]["unit"] == "mixed"
    assert not SURFACE & set(document["metrics"])
    assert set(document["metrics"]) >= LESIONS
    for place in (page, text):
        assert "in mm of the cases whose spacing is known and in pixels of the others, so no figure is given" in place
    units = {row["surface_unit"] for row in table if row["state"] == "done"}
    assert units == {"mm", "pixels"}
    assert sum(row["surface_unit"] == "mm" for row in table) == 2


def test_one_unit_needs_no_column(tmp_path):
    _, table, _, _ = reported(measured_run(tmp_path), tmp_path)
    assert "surface_unit" not in table[0]
