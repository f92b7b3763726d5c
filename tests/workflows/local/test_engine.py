"""What the local engine does with a workflow: the same as Argo would."""

import json
import re
import sys
from pathlib import Path

import pytest

from imaging_core.errors import DataError


def test_every_item_runs_once_and_the_last_task_after_all_of_them(local, fan_out, tmp_path):
    each = f"import sys, pathlib; pathlib.Path({str(tmp_path)!r}, sys.argv[1]).touch()"
    last = f"import os; print(sorted(n for n in os.listdir({str(tmp_path)!r}) if n != 'logs'))"
    outcome = local.run(fan_out(["a", "b", "c"], each, last))

    assert outcome.results == {"list": "Succeeded", "each": "Succeeded", "last": "Succeeded"}
    assert [node.name for node in outcome.nodes] == ["list", "each-a", "each-b", "each-c", "last"]
    assert "['a', 'b', 'c']" in local.log("last")


def test_the_last_task_runs_although_an_item_failed(local, fan_out):
    outcome = local.run(fan_out(["good", "bad"], "import sys; sys.exit(65 if sys.argv[1] == 'bad' else 0)"))

    assert outcome.results == {"list": "Succeeded", "each": "Failed", "last": "Succeeded"}
    assert {node.name: node.exit_code for node in outcome.nodes} == {
        "list": 0,
        "each-good": 0,
        "each-bad": 65,
        "last": 0,
    }


def test_nothing_runs_after_a_task_that_all_wait_for_has_failed(local, fan_out, python):
    workflow = fan_out(["a"], "pass")
    workflow.templates[1] = python("list", "import sys; sys.exit(78)", outputs=workflow.templates[1].outputs)
    outcome = local.run(workflow)

    assert outcome.results == {"list": "Failed", "each": "Omitted", "last": "Omitted"}
    assert [(node.name, node.exit_code) for node in outcome.nodes] == [("list", 78)]


def test_no_more_run_at_once_than_parallelism_allows_and_as_many_as_it_allows(local, fan_out, tmp_path):
    folder = tmp_path / "running"
    folder.mkdir()
    each = f"""
import os, pathlib, sys, time
mine = pathlib.Path({str(folder)!r}, sys.argv[1])
mine.touch()
if sys.argv[1] in "ab":  # these two wait for each other
    while len(os.listdir(mine.parent)) < 2: time.sleep(0.01)
print("running", len(os.listdir(mine.parent)))
time.sleep(0.2)
mine.unlink()
"""
    outcome = local.run(fan_out(list("abcdef"), each, parallelism=2))

    assert outcome.results["each"] == "Succeeded"
    assert (
        max(int(count) for item in "abcdef" for count in re.findall(r"^running (\d)$", local.log(f"each-{item}"), re.M))
        == 2
    )


def test_an_output_parameter_travels_without_touching_the_path_that_the_workflow_names(local, fan_out):
    assert not Path("/out/items.json").exists()
    outcome = local.run(fan_out(["with-0", "and.1"], "pass"))

    assert json.loads(outcome.nodes[0].outputs["items"]) == ["with-0", "and.1"]
    assert not Path("/out/items.json").exists()


def test_an_output_parameter_that_was_not_written_is_an_error_that_the_log_explains(local, fan_out, python):
    workflow = fan_out(["a"], "pass")
    workflow.templates[1] = python("list", "pass", outputs=workflow.templates[1].outputs)
    outcome = local.run(workflow)

    assert outcome.results["list"] == "Error"
    assert "error: the step did not write /out/items.json, its output items" in local.log("list")


@pytest.mark.parametrize("written", ["[]", "{}", "[1]", '["../a"]', '["a", "a"]', "nonsense"])
def test_a_list_of_items_that_cannot_name_nodes_is_refused(local, fan_out, python, written):
    workflow = fan_out(["a"], "pass")
    code = "import sys; open(sys.argv[1], 'w').write(sys.argv[2])"
    workflow.templates[1] = python("list", code, "/out/items.json", written, outputs=workflow.templates[1].outputs)
    with pytest.raises(DataError, match="task each"):
        local.run(workflow)


def test_a_value_is_never_rendered_again(local, single):
    workflow = single("import sys; print('got', sys.argv[1])", "{{workflow.parameters.text}}")
    workflow.arguments = {"text": "{{workflow.parameters.text}} 'quoted' \"twice\" $HOME"}
    local.run(workflow)

    assert "got {{workflow.parameters.text}} 'quoted' \"twice\" $HOME\n" in local.log("step")


def test_a_step_reports_progress_by_argos_file(local, single):
    code = """
import os, time
for done in range(4):
    open(os.environ["ARGO_PROGRESS_FILE"], "w").write(f"{done}/3")
    time.sleep(0.2)
"""
    outcome = local.run(single(code))

    assert outcome.nodes[0].progress == (3, 3)
    assert ("step", 1, 3) in local.journal.progress


def test_a_step_finds_the_project_this_interpreter_and_the_callers_folder(local, single, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    code = (
        "import imaging_core, os, sys; print(sys.executable, os.getcwd(), '/elsewhere' in sys.path, sys.stdin.read())"
    )
    local.run(single(code))

    assert f"{sys.executable} {tmp_path} True \n" in local.log("step")


def test_every_slot_has_a_gpu_of_its_own(local, fan_out, tmp_path):
    each = f"""
import os, pathlib, sys, time
gpu = os.environ["CUDA_VISIBLE_DEVICES"]
mine = pathlib.Path({str(tmp_path)!r}, "gpu-" + gpu)
mine.touch(exist_ok=False)  # fails when another step has the same one
time.sleep(0.2)
mine.unlink()
print("gpu", gpu)
"""
    outcome = local.run(fan_out(list("abcdef"), each, parallelism=2), gpus=["0", "MIG-7"])

    assert outcome.results["each"] == "Succeeded"
    assert {local.log(f"each-{item}").split()[-1] for item in "abcdef"} == {"0", "MIG-7"}


def test_without_gpus_the_environments_own_choice_stays(local, single, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    local.run(single("import os; print('gpu', os.environ['CUDA_VISIBLE_DEVICES'])"))

    assert "gpu 5\n" in local.log("step")


def test_what_a_step_leaves_running_ends_with_it(local, single, tmp_path):
    code = f"""
import pathlib, subprocess, sys
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path({str(tmp_path)!r}, "pid").write_text(str(left.pid))
"""
    local.run(single(code))

    pid = (tmp_path / "pid").read_text()
    status = Path(f"/proc/{pid}/status")
    assert not status.exists() or "State:\tZ" in status.read_text()


def test_a_command_that_is_not_there_says_so_in_the_log(local, single):
    workflow = single("pass")
    workflow.templates[1].command = ["no-such-program"]
    outcome = local.run(workflow)

    assert outcome.nodes[0].exit_code == 1
    assert "error: no-such-program: No such file or directory" in local.log("step")


def test_logs_of_attempts_and_of_later_runs_are_kept_one_below_the_other(local, single):
    for word in ("first", "second"):
        local.run(single(f"print({word!r})"))

    assert [line for line in local.log("step").splitlines() if not line.startswith("---")] == ["first", "second"]


def test_nothing_stays_in_the_temporary_folder(local, fan_out, monkeypatch, tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    local.run(fan_out(["a"], "pass"))

    assert not list(folder.iterdir())
