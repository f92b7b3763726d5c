"""JUnit XML and Markdown of runs: what they say, and that nothing in a run can break them."""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from imaging_core.inference.ledger import Record
from steps.gather import main as gather
from tests.imaging_core.report.synthetic_run import SyntheticRun, classification_records, make_card
from tests.workflows.ci.junit_rules import checked, verdicts
from workflows.ci.junit import junit_xml
from workflows.ci.markdown import markdown
from workflows.ci.outcome import MOST_CASES, FailedCases, Left, Outcome, StepFailure
from workflows.command_line import main

CLASSES = ("cat", "dog", "owl")
RECORDS = classification_records(80, 300)


def failed(record, kind="unreadable"):
    return Record(record.case, "failed", "", kind=kind, reason="the JPEG ends too early")


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Runs: as it was; 12 cases called something else; 12 unreadable and 1 missing."""
    folder = tmp_path_factory.mktemp("runs")
    changed = [replace(each, scores=each.scores[1:] + each.scores[:1]) for each in RECORDS[:20]]
    unreadable = [*map(failed, RECORDS[:12]), failed(RECORDS[12], "missing")]
    for name, first in (("before", []), ("worse", changed), ("failed", unreadable)):
        SyntheticRun([*first, *RECORDS[len(first) :]], make_card(), 300, CLASSES).write(folder / name)
        options = ["--case-names", "index"] if name == "worse" else []
        assert gather(["--run", str(folder / name / "run"), "--max-failed", "100%", *options]) == 0
    return folder


def report(folder, name, tmp_path, *options):
    """Judge one of the runs: exit code, JUnit XML, Markdown."""
    files = tmp_path / "junit.xml", tmp_path / "summary.md"
    written = ("--junit", str(files[0]), "--markdown", str(files[1]))
    code = main(["report", str(folder / name / "run"), *written, *options])
    return code, files[0].read_bytes(), files[1].read_text()


def test_report_judges_a_run_by_more_and_both_pages_say_so(places, tmp_path, capsys):
    asked = ("accuracy.mean>=0.2", "auroc.macro>0.99999")
    code, junit, page = report(
        places, "worse", tmp_path, *(word for each in asked for word in ("--require", each)),
        *("--no-regression", str(places / "before/run")),
    )  # fmt: skip
    assert code == 1
    assert verdicts(junit) == {
        **{"complete": "passed", "failed cases": "passed"},
        **{asked[0]: "passed", asked[1]: "failure", "no regression": "failure"},
    }
    assert page.startswith("## \u274c Complete, but not acceptable: synthetic, split test\n")
    assert "required auroc.macro > 0.99999, found 0." in page.replace("\\", "")
    assert re.search(r"\| worse \| Accuracy, per case \| 0\.\d{4} \| 0\.\d{4} \| -0\.\d{4} \| -0\.\d{4} to -0", page)
    assert "MISSED  no regression: compared with" in capsys.readouterr().out


def test_report_without_gates_is_the_runs_own_verdict_and_its_own_files_stay(places, tmp_path):
    before = (places / "before/run/report/metrics.json").read_bytes()
    code, junit, page = report(places, "before", tmp_path)
    assert code == 0
    assert set(verdicts(junit).values()) == {"passed"}
    assert page.startswith("## \u2705 Complete and acceptable: synthetic, split test\n")
    assert report(places, "before", tmp_path, "--require", "accuracy.mean>=2")[0] == 1
    assert (places / "before/run/report/metrics.json").read_bytes() == before


def test_json_has_the_verdict_on_what_was_asked(places, capsys):
    assert main(["report", str(places / "before/run"), "--json", "--require", "brier.mean<0"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["acceptable"] is False
    assert said["checks"][-1]["name"] == "brier.mean<0"
    assert said["checks"][-1]["value"] == said["metrics"]["brier"]["mean"]


def test_failed_cases_are_grouped_by_kind_and_only_some_are_named(places, tmp_path):
    _, junit, page = report(places, "failed", tmp_path)
    assert verdicts(junit)["failed: unreadable"] == "skipped"
    skipped = next(iter(checked(junit).iter("skipped")))
    assert skipped.get("message") == "12 cases failed, as many as are allowed"
    lines = (skipped.text or "").splitlines()
    assert len(lines) == MOST_CASES + 1
    assert re.fullmatch(r"\d{3} \(.+\): the JPEG ends too early", lines[0])
    assert lines[-1] == "and 2 more"
    assert re.search(r"\| unreadable \| 12 \| \d{3} \\\(", page)


def test_markdown_is_appended_and_junit_is_written_anew(places, tmp_path):
    first = report(places, "before", tmp_path)
    second = report(places, "before", tmp_path)
    assert second[1] == first[1]
    assert second[2] == first[2] * 2


@pytest.mark.parametrize("option", ["--junit", "--markdown"])
def test_a_file_that_cannot_be_written_is_a_usage_error_at_once(places, tmp_path, option, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["report", str(places / "before/run"), option, str(tmp_path / "absent/file")])
    assert ended.value.code == 64
    assert "is not a file in a folder that exists" in capsys.readouterr().err


def test_submit_writes_them_only_when_it_waits(tmp_path):
    with pytest.raises(Exception, match="add --wait"):
        main(["submit", "--junit", str(tmp_path / "junit.xml")])


def test_a_run_without_a_report_is_an_error_with_the_steps_words():
    broken = StepFailure("infer 003", 78, "error: the bucket is closed")
    outcome = Outcome("s3://runs/1", 78, 12.5, None, [broken, StepFailure("gather", None, "")], workflow="w")
    assert verdicts(junit_xml(outcome)) == {"infer 003": "error", "gather": "error"}
    error = next(iter(checked(junit_xml(outcome)).iter("error")))
    assert error.get("message") == "failed with exit code 78 (configuration)"
    assert error.text == "error: the bucket is closed"
    assert "Inference failed: exit code 78" in markdown(outcome)
    assert "    error: the bucket is closed" in markdown(outcome)
    assert verdicts(junit_xml(replace(outcome, failures=[]))) == {"complete": "error"}


def test_a_run_that_is_not_waited_for_any_more_is_an_error_with_what_to_type():
    left = Left("workflow w: has not ended after 60 s; it goes on", {"how far it is": "status w", "end it": "stop w"})
    outcome = Outcome("s3://runs/1", 75, None, None, workflow="w", link="https://argo/w", left=left)
    assert verdicts(junit_xml(outcome)) == {"complete": "error"}
    error = next(iter(checked(junit_xml(outcome)).iter("error")))
    assert error.get("message") == left.why
    assert (error.text or "").splitlines()[1:] == ["how far it is: status w", "end it: stop w"]
    page = markdown(outcome)
    assert page.startswith("## \u23f3 Not waited for to its end: exit code 75\n\nworkflow w: has not ended")
    assert "\n    stop w    # end it\n" in page
    assert "[workflow w](https://argo/w)" in page


HOSTILE = st.text(
    st.characters(codec="utf-8") | st.sampled_from("\x00\x1b|`<>&\"'[](){}*_\\\n\r\t~!#$]]>"), max_size=40
)


@given(st.lists(HOSTILE, min_size=7, max_size=7))
def test_no_text_breaks_a_page_or_becomes_markup(texts):
    name, kind, case, reason, expression, says, message = texts
    metrics = {
        **{"task": "segmentation", "complete": True, "acceptable": False, "split": name, "model": None},
        **{"dataset": {"name": name, "sha256": "0"}, "metrics": {"iou": {"mean": 0.5, "pooled": None, "macro": None}}},
        "cases": {"scored": 1, "expected": 1, "done": 1, "failed": 1, "skipped": 0, "missing": 0},
        "checks": [{"kind": "requirement", "name": expression or "-", "holds": False, "says": says}],
    }
    cases = [FailedCases(kind, ((case, reason),), 1)]
    outcome = Outcome("s3://runs/1", 1, 1.0, metrics, [StepFailure("infer 0", 1, message)], cases)
    checked(junit_xml(outcome))
    checked(junit_xml(replace(outcome, metrics=None, left=Left(message, {"end it": name}))))
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown(outcome))
    children = [child for token in tokens for child in token.children or ()]
    assert {child.type for child in children} <= {"text", "strong_open", "strong_close", "code_inline", "softbreak"}
    tables = [token for token in tokens if token.type == "table_open"]
    assert len(tables) == 3
    blocks = {token.content.strip() for token in tokens if token.type == "html_block"}
    assert blocks <= {"<details><summary>Metrics</summary>", "</details>"}
