"""``run`` as a person calls it, with the real steps, from a dataset file to a report."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from tests import small_run
from tests.workflows.ci.junit_rules import verdicts

INPUTS = ("--dataset", "data/cells.yml", "--model", "model")
DONE = ("run.json", "shards/index.json", "results/000/summary.json", "report/report.html", "report/metrics.json")


@pytest.fixture(scope="module")
def gated(workplace, clean):
    """The clean run, gathered again with more asked of it: what the command said, and its pages."""
    again = workplace.folder / "runs/gated"
    shutil.copytree(workplace.folder / "runs/clean", again)
    asked = ("--require", "accuracy.mean>=0", "--require", "auroc.macro>1", "--no-regression", "runs/clean")
    pages = ("--junit", "junit.xml", "--markdown", "summary.md")
    said = workplace.call("run", "--resume", "runs/gated", *asked, *pages, "--json")
    return said, (workplace.folder / "junit.xml").read_bytes(), (workplace.folder / "summary.md").read_text()


def test_what_is_asked_of_the_figures_decides_the_exit_code_and_is_named_everywhere(gated):
    said, junit, page = gated
    result = json.loads(said.stdout)
    holds = {check["name"]: check["holds"] for check in result["metrics"]["checks"]}
    assert (said.returncode, result["exit_code"], result["failures"]) == (1, 1, [])
    assert holds == {
        **{"complete": True, "failed cases": True},
        **{"accuracy.mean>=0": True, "auroc.macro>1": False, "no regression": True},
    }
    passed = {True: "passed", False: "failure"}
    assert verdicts(junit) == {name: passed[held] for name, held in holds.items()}
    assert "Complete, but not acceptable" in page
    assert "MISSED  auroc.macro>1: required auroc.macro > 1, found 0." in said.stderr


@pytest.fixture(scope="session")
def clean(workplace):
    """A run that nothing disturbed."""
    return workplace.run("runs/clean")


def processes_of(folder: Path) -> list[str]:
    """Command lines of processes that mention a folder, or work in it."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and int(process.name) != os.getpid():
                command = (process / "cmdline").read_bytes().decode().replace("\0", " ")
                if str(folder) in command and "pytest" not in command:
                    found.append(command)
        except OSError:
            continue
    return found


def wait_for(condition, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_run_ends_with_its_metrics_and_where_the_report_is(workplace, clean):
    assert clean.returncode == 0, clean.stderr
    assert "Complete: 148 of 148 cases done, 0 failed, 0 skipped." in clean.stdout
    assert "Accuracy" in clean.stdout
    assert f"Report: {(workplace.folder / 'runs/clean/report/report.html').as_uri()}" in clean.stdout
    assert all((workplace.folder / "runs/clean" / name).is_file() for name in DONE)


def test_progress_goes_to_stderr_line_by_line_where_there_is_no_terminal(clean):
    lines = clean.stderr.splitlines()

    assert lines[0] == "dataset  data/cells.yml: classification, 148 of 150 images in split test"
    assert lines[1] == "model    model: lenet5 (lenet5), classification"
    assert lines[3] == "         2 shards, 2 at a time, 1 thread each"
    assert sum(line.startswith(("infer 000: done in", "infer 001: done in")) for line in lines) == 2
    assert "\x1b" not in clean.stderr


def test_metrics_by_a_feature_are_the_same_for_any_number_of_shards(workplace):
    described = yaml.safe_load((workplace.folder / "data/cells.yml").read_text())
    described["features"] = ["scanner", "patient"]
    for number, entry in enumerate(described["images"]):
        entry["values"] = [f"scanner {number % 3}", number // 2]
    (workplace.folder / "data/described.yml").write_text(json.dumps(described))
    inputs = ("--dataset", "data/described.yml", "--model", "model", "--group-by", "scanner", "--patient", "patient")
    written = []
    for shards in ("1", "3"):
        said = workplace.call("run", *inputs, "--run", f"runs/described-{shards}", "--shards", shards)
        assert said.returncode == 0, said.stderr
        written.append((workplace.folder / f"runs/described-{shards}/report/metrics.json").read_bytes())
    assert written[0] == written[1]
    metrics = json.loads(written[0])
    assert metrics["intervals"]["of"] == "patients"
    groups = metrics["groups"]["scanner"]["groups"]
    assert [each["name"] for each in groups] == ["scanner 0", "scanner 1", "scanner 2"]
    assert sum(each["scored"] for each in groups) == metrics["cases"]["scored"]
    wanted = sum(each["scored"] * each["metrics"]["accuracy"]["mean"] for each in groups) / metrics["cases"]["scored"]
    assert metrics["metrics"]["accuracy"]["mean"] == pytest.approx(wanted)


def test_surfaces_and_lesions_are_measured_where_the_run_asks_for_it(tmp_path, workplace):
    names, masks = small_run.make_images(tmp_path / "data", 6), small_run.make_masks(tmp_path / "data", 6)
    entries = [{"location": name, "label": mask} for name, mask in zip(names, masks, strict=True)]
    small_run.write_dataset(tmp_path / "data", entries)
    small_run.make_bundle(tmp_path / "unet", "segmentation", "binary", ["bright"])
    inputs = ("--dataset", "data/crops.yml", "--model", "unet", "--run", "r", "--shards", "2")
    said = type(workplace)(tmp_path).call("run", *inputs, "--surface-distances", "2", "--lesions")
    assert said.returncode == 0, said.stderr
    assert "Hausdorff distance, 95 %" in said.stdout
    assert "Surface distances are in pixels, the tolerance is 2" in said.stdout
    asked = json.loads((tmp_path / "r/run.json").read_text())["parameters"]
    assert (asked["surface_distances"], asked["lesions"]) == (2.0, True)
    page = (tmp_path / "r/report/report.html").read_text()
    assert "--surface-distances 2.0" in page
    assert "--lesions" in page
    metrics = json.loads((tmp_path / "r/report/metrics.json").read_text())
    assert {"hd95", "assd", "nsd", "lesion_f1"} <= set(metrics["metrics"])
    assert metrics["surface"]["cases"] == metrics["lesions"]["cases"] == 6


def test_a_profile_names_the_stage_that_limits_and_never_hides_why_a_run_failed(workplace):
    profiled = workplace.run("runs/profiled", "--profile")
    assert profiled.returncode == 0
    assert (
        sum(line.startswith(("fetch ", "decode ", "compute ", "finish ")) for line in profiled.stderr.splitlines()) == 5
    )
    assert " limits: it works " in profiled.stderr

    outside = workplace.folder / "data" / "outside.yml"
    outside.write_text("classes: [a]\nimages: [{location: /etc/x.png, label: a}]\nsplit: {test: [0]}\n")
    inputs = ("--dataset", "data/outside.yml", "--model", "model", "--run", "runs/outside")
    failed = workplace.call("run", *inputs, "--profile")
    assert failed.returncode == 65
    assert "allow it with --allow-root /etc" in failed.stderr
    assert "run --resume runs/outside" in failed.stdout


def test_what_was_asked_is_recorded_before_all_else(workplace, clean):
    record = json.loads((workplace.folder / "runs/clean/run.json").read_text())
    dataset = (workplace.folder / "data/cells.yml").read_bytes()

    assert record["parameters"]["dataset"] == str(workplace.folder / "data/cells.yml")
    assert record["parameters"]["threads_per_step"] == 1
    assert record["digests"]["dataset"] == hashlib.sha256(dataset).hexdigest()
    assert record["versions"]["python"]


def test_each_step_has_its_log(workplace, clean):
    logs = workplace.folder / "runs/clean/logs"

    assert {path.name for path in logs.iterdir()} == {"split.log", "infer-000.log", "infer-001.log", "gather.log"}
    assert "python -m steps.infer --run" in (logs / "infer-000.log").read_text().replace(sys.executable, "python")


def test_status_and_report_of_a_finished_run(workplace, clean):
    status, report = workplace.call("status", "runs/clean"), workplace.call("report", "runs/clean")

    assert (status.returncode, report.returncode) == (0, 0)
    assert "148: 148 done, 0 failed, 0 skipped, 0 to do" in status.stdout
    assert report.stdout.strip() in clean.stdout


def test_a_second_run_in_the_same_place_is_refused(workplace, clean):
    again = workplace.run("runs/clean")

    assert again.returncode == 64
    assert "runs/clean: holds a run already; continue it with --resume runs/clean" in again.stderr


def test_a_stopped_run_leaves_no_process_and_resumes_with_what_is_missing_to_the_same_bytes(workplace, clean):
    folder = workplace.folder / "runs/stopped"
    process = workplace.start("run", *INPUTS, "--run", "runs/stopped", "--shards", "2", "--parallelism", "1")
    wait_for((folder / "logs/infer-001.log").exists, process)
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "Stopped after" in stdout
    assert "python -m workflows.distributed_inference run --resume runs/stopped" in stdout
    assert processes_of(folder) == []
    assert workplace.call("status", "runs/stopped").returncode == 1

    resumed = workplace.call("run", "--resume", "runs/stopped", "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert "resumed: 1 of 2 shards to do" in resumed.stderr
    summary = json.loads(resumed.stdout)
    assert (summary["exit_code"], summary["failures"], summary["resume"]) == (0, [], None)
    assert summary["metrics"]["cases"]["done"] == 148
    assert workplace.compared("runs/stopped") == workplace.compared("runs/clean")


def test_sigterm_stops_a_run_in_the_same_way(workplace):
    process = workplace.start("run", *INPUTS, "--run", "runs/terminated", "--shards", "1")
    wait_for((workplace.folder / "runs/terminated/logs/infer-000.log").exists, process)
    process.send_signal(signal.SIGTERM)
    stdout, _ = process.communicate(timeout=60)

    assert process.returncode == 143
    assert "run --resume runs/terminated" in stdout
    assert processes_of(workplace.folder / "runs/terminated") == []


def test_a_killed_engine_takes_its_steps_along_and_two_that_resume_at_once_do_no_harm(workplace, clean):
    folder = workplace.folder / "runs/killed"
    process = workplace.start("run", *INPUTS, "--run", "runs/killed", "--shards", "1")
    wait_for((folder / "results").exists, process)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 60
    while processes_of(folder):
        assert time.monotonic() < deadline, processes_of(folder)
        time.sleep(0.1)

    engines = [workplace.start("run", "--resume", "runs/killed") for _ in range(2)]
    said = [engine.communicate(timeout=300) for engine in engines]
    assert [engine.returncode for engine in engines] == [0, 0], said
    killed, undisturbed = workplace.compared("runs/killed"), workplace.compared("runs/clean")
    for key in ("report/metrics.json", "report/predictions.csv"):  # the same for any number of shards
        assert killed[key] == undisturbed[key]


def test_a_case_that_cannot_be_read_makes_the_result_not_acceptable_until_that_is_allowed(workplace, tmp_path):
    shutil.copytree(workplace.folder / "data", tmp_path / "data")
    (tmp_path / "data/5.png").write_bytes(b"not an image")
    place = type(workplace)(tmp_path)
    model = str(workplace.folder / "model")
    run = place.call("run", "--dataset", "data/cells.yml", "--model", model, "--run", "r", "--shards", "1")

    assert run.returncode == 1
    assert "Complete, but NOT ACCEPTABLE: 147 of 148 cases done, 1 failed, 0 skipped." in run.stdout
    assert "Failed: 1 unreadable." in run.stdout
    allowed = place.call("run", "--resume", "r", "--max-failed", "1")
    assert allowed.returncode == 0
    assert not any(line.startswith("infer") for line in allowed.stderr.splitlines())

    Image.fromarray(np.zeros((40, 40), dtype=np.uint8)).save(tmp_path / "data/5.png")
    mended = place.call("run", "--resume", "r", "--retry-failed")
    assert mended.returncode == 0
    assert "Complete: 148 of 148 cases done" in mended.stdout


def test_the_reason_why_shards_failed_is_shown_once_and_passed_on(workplace, tmp_path):
    place = type(workplace)(tmp_path)
    shutil.copytree(workplace.folder / "model", tmp_path / "model")
    weights = tmp_path / "model/weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    dataset = str(workplace.folder / "data/cells.yml")
    run = place.call("run", "--dataset", dataset, "--model", "model", "--run", "r", "--shards", "2", "--json")
    summary = json.loads(run.stdout)

    assert (run.returncode, summary["exit_code"]) == (65, 65)
    assert [(failure["node"], failure["exit_code"]) for failure in summary["failures"]] == [
        ("infer-000", 65),
        ("infer-001", 65),
    ]
    assert "infer-000 and 1 more failed with exit code 65 (bad data)" in run.stderr
    assert run.stderr.count("weights.safetensors") == 1
    assert "run --resume r" in run.stderr
