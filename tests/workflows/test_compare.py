"""``compare`` as a person calls it."""

import json
import re
from dataclasses import replace

import pytest

from imaging_core.errors import MissingError, UsageError
from tests.imaging_core.report.synthetic_run import SyntheticRun, classification_records, make_card
from workflows.command_line import main


@pytest.fixture
def runs(tmp_path):
    """Two runs of 80 cases: the second calls the first twelve of them something else."""
    records = classification_records(80, 300)
    second = [replace(each, scores=each.scores[1:] + each.scores[:1]) for each in records[:12]] + records[12:]
    places = []
    for name, each in (("first", records), ("second", second)):
        run = SyntheticRun(each, make_card(), 300, ("cat", "dog", "owl"), features=("owner",))
        run.values = {int(record.case): [f"NAME{number // 2}"] for number, record in enumerate(each)}
        run.write(tmp_path / name)
        places.append(str(tmp_path / name / "run"))
    return places


def test_a_person_reads_a_table_a_test_and_the_cases_that_changed(runs, capsys):
    assert main(["compare", *runs]) == 0
    said = capsys.readouterr().out
    assert f"first   {runs[0]}: model-a" in said
    assert "80 cases scored in both" in said
    assert "Accuracy, per case" in said
    assert "McNemar's test: p = " in said
    assert "  case " in said


def test_a_script_reads_one_object(runs, capsys):
    assert main(["compare", *runs, runs[1] + "/../run", "--json"]) == 0
    read = json.loads(capsys.readouterr().out)
    assert [each["cases"] for each in read["others"]] == [80, 80]
    accuracy = read["others"][0]["differences"][0]
    assert accuracy["metric"] == "accuracy"
    assert accuracy["difference"] == accuracy["second"] - accuracy["first"]
    assert accuracy["interval"]["low"] <= accuracy["difference"] <= accuracy["interval"]["high"]


def test_a_report_is_one_file_that_loads_nothing_and_names_no_patient(runs, tmp_path, capsys):
    assert main(["compare", *runs, "--patient", "owner", "--save", str(tmp_path / "c.html")]) == 0
    page = (tmp_path / "c.html").read_text()
    assert "Comparison of runs" in page
    assert re.search(r'<p class="lead">model-a: Accuracy 0\.\d{4} → 0\.\d{4}, p = 0\.\d{3}\.</p>', page)
    assert "paired permutation test of whole patients" in page
    assert "patient by patient" in page
    assert "src=" not in page
    assert "<script" not in page
    assert "NAME1" not in page + capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        (["--patient", "name"], UsageError, "the dataset has no feature 'name'; its features are owner"),
        (["--save", "/nowhere/c.html"], Exception, "/nowhere/c.html: cannot be written"),
    ],
)
def test_what_is_wrong_is_said(runs, options, error, words):
    with pytest.raises(error, match=words):
        main(["compare", *runs, *options])


def test_a_run_is_not_compared_with_itself(runs):
    with pytest.raises(UsageError, match="is compared with itself; give another run"):
        main(["compare", runs[0], runs[0]])


def test_where_no_run_is_that_is_said(runs, tmp_path):
    with pytest.raises(MissingError, match="none: holds no run"):
        main(["compare", runs[0], str(tmp_path / "none")])
