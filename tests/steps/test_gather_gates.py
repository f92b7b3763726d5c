"""What gather is asked of a run's figures: ``--require`` and ``--no-regression``."""

import json
from dataclasses import replace

import jsonschema
import pytest

from imaging_core import run
from imaging_core.errors import DataError, MissingError, UsageError
from steps.gather import main
from tests.imaging_core.report.synthetic_run import SyntheticRun, classification_records, make_card
from tests.imaging_core.report.test_schema import SCHEMA
from workflows.command_line import main as command

CLASSES = ("cat", "dog", "owl")
RECORDS = classification_records(120, 500)


def turned(record):
    """The same case, called something else."""
    return replace(record, scores=record.scores[1:] + record.scores[:1])


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Folders with a run each: as it was, with 2 and with 30 of 120 cases called something else."""
    folder = tmp_path_factory.mktemp("runs")
    for name, changed in (("before", 0), ("alike", 2), ("worse", 30)):
        records = [*map(turned, RECORDS[:changed]), *RECORDS[changed:]]
        SyntheticRun(records, make_card(), 500, CLASSES, shards=3).write(folder / name)
    return folder


@pytest.fixture
def gather(places):
    """Gather one of the runs: the exit code, and what was written."""

    def call(name, *options):
        where = places / name / "run"
        code = main(["--run", str(where), *options])
        document = json.loads((where / run.METRICS).read_bytes())
        jsonschema.validate(document, SCHEMA)
        return code, document

    return call


def checks(document):
    return {check["name"]: check["holds"] for check in document["checks"]}


def test_each_requirement_is_named_with_its_figure_in_the_metrics_the_page_and_the_terminal(gather, places, capsys):
    asked = ("accuracy.mean>=0.2", "f1[cat]>0.999", "brier.mean<=9")
    code, document = gather("before", *(word for each in asked for word in ("--require", each)))
    accuracy = document["metrics"]["accuracy"]["mean"]
    assert code == 1
    assert (document["complete"], document["acceptable"]) == (True, False)
    assert checks(document) == {
        **{"complete": True, "failed cases": True},
        **{"accuracy.mean>=0.2": True, "f1[cat]>0.999": False, "brier.mean<=9": True},
    }
    assert document["checks"][2]["value"] == accuracy
    printed = capsys.readouterr().out
    assert f"holds   accuracy.mean>=0.2: required accuracy.mean >= 0.2, found {accuracy:.4f}" in printed
    assert "MISSED  f1[cat]>0.999: required f1[cat] > 0.999, found 0." in printed
    page = (places / "before/run" / run.REPORT_PAGE).read_text()
    assert "Complete, but not acceptable" in page
    assert page.count('<span class="mark right">holds</span>') == 4
    assert "<code>f1[cat]&gt;0.999</code>" in page


def test_a_required_metric_is_computed_though_others_were_chosen(gather):
    _, document = gather("before", "--metric", "auroc", "--require", "brier.mean<9")
    assert set(document["metrics"]) == {"accuracy", "auroc", "brier"}
    assert document["acceptable"]


def test_without_gates_nothing_of_them_is_written(gather, places):
    code, document = gather("before")
    assert (code, list(checks(document)), "baseline" in document) == (0, ["complete", "failed cases"], False)
    assert "What was asked" not in (places / "before/run" / run.REPORT_PAGE).read_text()


def test_an_unknown_figure_is_a_usage_error_before_anything_is_written(places, tmp_path):
    SyntheticRun(RECORDS, make_card(), 500, CLASSES).write(tmp_path)
    for wrong in ("iou.mean>=0.5", "f1[cow]>=0.5"):
        with pytest.raises(UsageError):
            main(["--run", str(tmp_path / "run"), "--require", wrong])
    assert not (tmp_path / "run" / run.METRICS).exists()


def test_a_run_that_is_worse_by_more_than_chance_has_regressed(gather, places, capsys):
    code, document = gather("worse", "--no-regression", str(places / "before/run"))
    compared = {(each["metric"], each["aggregation"]): each for each in document["baseline"]["differences"]}
    accuracy = compared["accuracy", "mean"]
    assert code == 1
    assert checks(document)["no regression"] is False
    assert accuracy["high"] < 0 < accuracy["baseline"] - accuracy["this"]
    assert [key for key, each in compared.items() if each["judged"]] == [("accuracy", "mean")]
    assert compared["log_loss", "mean"]["worse"]
    assert compared["log_loss", "mean"]["low"] > 0
    assert "MISSED  no regression: compared with" in capsys.readouterr().out
    page = (places / "worse/run" / run.REPORT_PAGE).read_text()
    assert "Beside the baseline" in page
    assert "120 cases scored in both" in page


def test_the_figures_are_those_of_compare(gather, places, capsys):
    _, document = gather("worse", "--no-regression", str(places / "before/run"))
    capsys.readouterr()
    assert command(["compare", str(places / "before/run"), str(places / "worse/run"), "--json"]) == 0
    (other,) = json.loads(capsys.readouterr().out)["others"]
    assert [(each["first"], each["second"], each["interval"]) for each in other["differences"]] == [
        (each["baseline"], each["this"], each["low"] and {**each_interval(each)})
        for each in document["baseline"]["differences"]
    ]


def each_interval(each):
    return {"low": each["low"], "high": each["high"], "method": "bootstrap"}


@pytest.mark.parametrize(("this", "baseline"), [("alike", "before"), ("before", "before"), ("before", "worse")])
def test_what_chance_may_do_or_what_is_better_is_no_regression(gather, places, this, baseline):
    where = places / ("before" if this == baseline else baseline) / "run"
    code, document = gather(this, "--no-regression", str(where))
    assert (code, checks(document)["no regression"]) == (0, True)


def test_a_required_figure_is_judged_beside_the_baseline_too(gather, places):
    options = ("--no-regression", str(places / "before/run"), "--require", "log_loss.mean<=99")
    code, document = gather("worse", *options)
    (check,) = [check for check in document["checks"] if check["kind"] == "no_regression"]
    assert code == 1
    assert "accuracy.mean was " in check["says"]
    assert "log_loss.mean was " in check["says"]


def test_a_run_of_which_nothing_was_scored_is_not_as_good(tmp_path, places):
    failed = [replace(each, state="failed", kind="unreadable", reason="it ends", scores=None) for each in RECORDS]
    SyntheticRun(failed, make_card(), 500, CLASSES).write(tmp_path)
    where = str(tmp_path / "run")
    assert main(["--run", where, "--max-failed", "100%", "--no-regression", str(places / "before/run")]) == 1
    says = [each["says"] for each in json.loads((tmp_path / "run" / run.METRICS).read_bytes())["checks"]]
    assert says[-1].endswith("nothing of this run was scored")


@pytest.mark.parametrize(("classes", "error"), [(None, MissingError), (("cat", "dog", "emu"), DataError)])
def test_a_baseline_that_cannot_be_compared_with_is_named(places, tmp_path, classes, error):
    if classes:
        SyntheticRun(RECORDS, make_card(classes=classes), 500, classes).write(tmp_path)
    with pytest.raises(error, match=str(tmp_path / "run")):
        main(["--run", str(places / "before/run"), "--no-regression", str(tmp_path / "run")])
