"""``status`` and ``report``: what they say of a run, from its files alone."""

import json

import pytest

from imaging_core import run
from imaging_core.errors import DataError, MissingError
from imaging_core.inference.ledger import Record, to_part
from imaging_core.store.local import LocalStore
from workflows.command_line import main
from workflows.state import read_state


@pytest.fixture
def status(written, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def say(*options: str) -> tuple[int, str]:
        code = main(["status", "my run", *options])
        return code, capsys.readouterr().out

    return say


@pytest.fixture
def report(written, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def say(*options: str) -> tuple[int, str]:
        code = main(["report", "my run", *options])
        return code, capsys.readouterr().out

    return say


def lines(text: str) -> dict[str, str]:
    return {line[:9].strip(): line[9:] for line in text.splitlines()}


def test_a_run_that_has_just_begun(written, status):
    written.begin(split="validation")
    code, said = status()

    assert code == 1
    assert lines(said)["run"] == "my run"
    assert lines(said)["dataset"].endswith("x.yml, split validation")
    assert lines(said)["shards"] == "the split is not complete"
    assert lines(said)["next"].endswith("python -m workflows.distributed_inference run --resume 'my run'")


def test_a_run_at_work(written, status):
    written.begin()
    written.split({"000": 4, "001": 4, "002": 2})
    written.complete("000", done=3, failed=1, temporary=1)
    written.part("001", [Record("4", "done", "x"), Record("5", "failed", "x", kind="missing", reason="gone")])
    code, said = status()

    assert code == 1
    assert lines(said)["shards"] == "3: 1 complete, 1 in progress (001), 1 missing (002)"
    assert lines(said)["cases"] == "10: 4 done, 2 failed (1 for a temporary reason), 0 skipped, 4 to do"
    assert lines(said)["report"] == "not written yet"


def test_a_shard_at_work_counts_what_its_checkpoints_hold_beyond_its_ledger(written, status):
    written.begin()
    written.split({"000": 10})
    done = [Record(str(number), "done", "x") for number in range(4)]
    written.part("000", done[:2])
    written.store.put(run.checkpoint("000", 0), to_part(done[:1]))
    written.store.put(run.checkpoint("000", 1), to_part(done[2:3]))
    written.store.put(run.checkpoint("000", 0, "0" * 64), to_part(done[:2]))
    _, said = status()
    assert lines(said)["cases"] == "10: 3 done, 0 failed, 0 skipped, 7 to do"


def test_a_summary_that_is_taken_away_while_it_is_read_leaves_its_shard_to_do(written):
    written.split({"000": 10})
    written.complete("000", done=10)

    class Vanishing(LocalStore):
        def list(self, prefix=""):
            keys = [*super().list(prefix)]
            self.delete(run.summary("000"))
            yield from keys

    assert read_state(Vanishing(written.store.root)).to_do(retry_failed=False) == ["000"]


def test_a_finished_run(written, status, tmp_path):
    written.begin()
    written.split({"000": 10})
    written.complete("000", done=10)
    written.report()
    code, said = status()

    assert code == 0
    assert lines(said)["report"] == f"acceptable: {(tmp_path / 'my run/report/report.html').as_uri()}"
    assert lines(said)["next"] == "python -m workflows.distributed_inference report 'my run'"


def test_a_run_with_too_many_failures(written, status):
    written.begin()
    written.split({"000": 10})
    written.complete("000", done=7, failed=3)
    written.report(acceptable=False, cases={"done": 7, "failed": 3})
    code, said = status()

    assert code == 1
    assert lines(said)["report"].startswith("not acceptable: ")
    assert "--retry-failed" in lines(said)["next"]


def test_an_acceptable_run_whose_shards_were_lost_since_is_to_be_resumed(written, status):
    written.begin()
    written.split({"000": 10})
    written.report()
    code, said = status()

    assert code == 1
    assert "run --resume" in lines(said)["next"]


def test_status_for_a_program(written, status):
    written.split({"000": 4, "001": 6})
    written.complete("000", done=4)
    code, said = status("--json")
    value = json.loads(said)

    assert code == 1
    assert value["cases"] == {"expected": 10, "done": 4, "failed": 0, "skipped": 0, "temporary": 0, "to_do": 6}
    assert [shard["state"] for shard in value["shards"]] == ["complete", "missing"]
    assert (value["to_do"], value["parameters"], value["complete"]) == (["001"], None, None)


@pytest.mark.parametrize("command", ["status", "report"])
def test_no_such_run(command, tmp_path):
    with pytest.raises(MissingError, match="no run here"):
        main([command, str(tmp_path / "nothing")])


def test_no_such_run_for_a_program(tmp_path, capsys):
    with pytest.raises(MissingError):
        main(["status", str(tmp_path), "--json"])

    assert json.loads(capsys.readouterr().out)["exit_code"] == 65


@pytest.mark.parametrize("name", ["run.json", "shards/index.json", "results/000/summary.json", "report/metrics.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b'{"format": 1}', b"\xff\xfe"])
def test_a_damaged_file_is_named(written, status, name, content):
    written.begin()
    written.split({"000": 4})
    written.complete("000", done=4)
    written.report()
    written.store.put(name, content)
    with pytest.raises(DataError, match=r"my run.*(" + name.split("/")[0] + "|summary)"):
        status()


def test_report_says_the_verdict_and_the_metrics(written, report, tmp_path):
    written.begin()
    written.report(
        metrics={"iou": {"mean": 0.75, "pooled": 0.8125, "macro": None}, "dice": {"mean": 0.5, "pooled": None}}
    )
    code, said = report()

    assert code == 0
    assert said.splitlines() == [
        "Complete: 10 of 10 cases done, 0 failed, 0 skipped.",
        "",
        "                 per case  pooled",
        "  IoU (Jaccard)    0.7500  0.8125",
        "  Dice             0.5000       -",
        "10 cases scored.",
        "",
        f"Report: {(tmp_path / 'my run/report/report.html').as_uri()}",
    ]


def test_report_of_an_incomplete_run(written, report):
    written.begin()
    written.report(
        complete=False,
        acceptable=False,
        cases={"done": 6, "failed": 1, "missing": 3},
        failed_by_kind={"unreadable": 1},
        compute_classes=[{}, {}],
    )
    code, said = report()

    assert code == 1
    assert said.splitlines()[:3] == [
        "INCOMPLETE: 6 of 10 cases done, 1 failed, 0 skipped, 3 missing.",
        "Failed: 1 unreadable.",
        "Mixed compute classes: 2; the last bits of scores may differ between them.",
    ]


def test_report_without_ground_truth(written, report):
    written.begin()
    written.report(metrics={"iou": {"mean": None, "pooled": None, "macro": None}}, cases={"scored": 0})

    assert "No case was scored." in report()[1]


def test_report_for_a_program(written, report):
    written.begin()
    written.report()

    assert json.loads(report("--json")[1])["metrics"]["iou"]["mean"] == 0.75


def test_report_that_is_not_there_yet(written, report):
    written.begin()
    with pytest.raises(MissingError, match=r"no report yet; .* status"):
        report()


def test_report_opens_in_the_browser_that_the_environment_names(written, report, monkeypatch, tmp_path):
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    monkeypatch.setattr("webbrowser._tryorder", None)
    monkeypatch.setattr("webbrowser._browsers", {})
    monkeypatch.setenv("BROWSER", str(browser))
    written.begin()
    written.report()
    report("--open")

    assert (tmp_path / "opened").read_text().strip() == (tmp_path / "my run/report/report.html").as_uri()
