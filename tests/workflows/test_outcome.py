"""What is said of an outcome, and the exit code that it gives."""

import io
import signal
import time
from pathlib import Path

import pytest
from rich.console import Console

from workflows.commands.run import exit_code, has_report
from workflows.display import MOST_LINES, Display
from workflows.failures import describe, failures
from workflows.local import Node, Outcome
from workflows.local.plan import Step
from workflows.local.retry import Retry
from workflows.progress import Progress


def node(task="infer", item=None, code=0, log=Path("none.log"), **values):
    step = Step(task, ("true",), (), {}, {}, {}, Retry(5, 5, 2, None))
    now = time.monotonic()
    values = {"first_started": now, "started": now, "ended": now} | values
    values = {"state": "ended", "status": "Failed" if code else "Succeeded", "exit_code": code} | values
    return Node(task, item, step, {}, log, **({"attempts": 1} | values))


def outcome(*nodes, stopped=None):
    tasks = ("split", "infer", "gather")
    status = {
        task: next((n.status for n in sorted(nodes, key=lambda n: -n.exit_code) if n.task == task), "Omitted")
        for task in tasks
    }
    return Outcome(nodes, status, stopped)


@pytest.mark.parametrize(
    ("split", "infer", "gather", "code"),
    [
        (0, [0, 0], 0, 0),
        (0, [0, 0], 1, 1),
        (0, [0, 137], 0, 0),  # killed after its last write: gather found everything
        (0, [0, 137], 1, 1),
        (0, [0, 65], 1, 65),
        (0, [75, 0], 1, 75),
        (0, [75, 78], 1, 78),
        (0, [0, 70], 1, 1),
        (65, [], None, 65),
        (64, [], None, 64),
        (70, [], None, 70),
        (0, [0], 65, 65),
    ],
)
def test_the_exit_code(split, infer, gather, code):
    nodes = [node("split", code=split)]
    nodes += [node("infer", f"{k:03d}", each) for k, each in enumerate(infer)]
    nodes += [] if gather is None else [node("gather", code=gather)]

    assert exit_code(outcome(*nodes)) == code


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_exit_code_of_a_stopped_run(number, code):
    assert exit_code(outcome(node("split"), stopped=number)) == code


def test_a_step_without_its_output_is_a_defect():
    assert exit_code(outcome(node("split", status="Error"))) == 70


@pytest.mark.parametrize(("code", "there"), [(0, True), (1, True), (65, False), (137, False)])
def test_a_report_counts_only_when_gather_has_just_written_it(code, there):
    assert has_report(outcome(node("split"), node("gather", code=code))) is there
    assert not has_report(outcome(node("split")))


@pytest.fixture
def log(tmp_path):
    def write(name: str, text: str) -> Path:
        (tmp_path / f"{name}.log").write_text(text)
        return tmp_path / f"{name}.log"

    return write


def test_the_same_message_of_many_shards_is_said_once(log):
    nodes = [node("infer", f"{k:03d}", 65, log(k, f"--- 1\nerror: shard {k:03d}: no model\n")) for k in range(9)]
    (failure,) = failures(nodes)

    assert len(failure.nodes) == 9
    assert describe([failure])[1:] == [
        f"infer-000 and 8 more failed with exit code 65 (bad data), log: {nodes[0].log}",
        "  error: shard 000: no model",
    ]


def test_only_the_last_attempts_error_is_shown(log):
    text = "--- attempt 1\nerror: store away\n--- attempt 2\nBatch 1/2\nerror: bad dataset\n  line 3: twice\n"
    (failure,) = failures([node(code=65, log=log("a", text))])

    assert failure.message == "error: bad dataset\n  line 3: twice"


def test_without_an_error_line_the_last_lines_are_shown(log):
    (failure,) = failures([node(code=137, log=log("a", "--- attempt 1\n" + "".join(f"line {k}\n" for k in range(99))))])

    assert failure.message.splitlines()[-1] == "line 98"
    assert len(failure.message.splitlines()) == 25


def test_many_different_messages_are_counted(log):
    nodes = [node("infer", f"{k:03d}", 70, log(k, f"error: reason {'x' * k}\n")) for k in range(10)]

    assert describe(failures(nodes))[-1].startswith(
        "7 more failed for other reasons (infer-003, infer-004, infer-005, …)"
    )


def test_a_result_that_is_not_acceptable_is_no_failure(log):
    assert failures([node("gather", code=1, log=log("a", "missing: 3\n"))]) == []


def shown(terminal: bool, progress: Progress) -> tuple[Display, io.StringIO]:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=100, color_system=None)
    return Display(console, progress, lambda: {"000": 10, "001": 30}), file


def test_a_terminal_shows_each_shard_at_work_and_the_sum():
    display, file = shown(True, Progress())
    at_work = node("infer", "001", state="running", status=None, exit_code=None, progress=(12, 30))
    with display:
        display.ended(node("split"))
        display.tick([node("split"), node("infer", "000", progress=(10, 10)), at_work])

    assert "split: done in 0 s" in file.getvalue()
    assert "12/30" in file.getvalue()
    assert "22/40" in file.getvalue()
    assert "shards: 1 of 2 ended, 1 at work, 0 waiting" in file.getvalue()


def test_a_file_gets_plain_lines():
    display, file = shown(False, Progress(samples={"000": 10, "001": 30}))
    nodes = [node("infer", "000", progress=(10, 10)), node("infer", "001", state="waiting", status=None, attempts=0)]
    with display:
        display.tick(nodes)
        display.tick(nodes)
        display.ended(nodes[0])
        display.retrying(node("infer", "001", 75), 5)
        display.stopping(2)

    assert file.getvalue().splitlines() == [
        "10 of 40 cases; shards: 1 of 2 ended, 0 at work, 1 waiting",
        "infer 000: done in 0 s, 10 cases",
        "infer 001: failed with exit code 75 (temporary); try 2 of 6 in 5 s",
        "stopping: 2 steps may take up to 9 s to finish writing; a second signal kills them",
    ]


def test_many_shards_do_not_flood_the_screen():
    display, file = shown(False, Progress(samples={f"{k:03d}": 1 for k in range(500)}))
    nodes = [node("infer", f"{k:03d}", k % 2 * 65) for k in range(500)]
    with display:
        display.tick(nodes)
        for each in nodes:
            display.ended(each)

    assert len(file.getvalue().splitlines()) == 1 + MOST_LINES + 1
    assert file.getvalue().endswith("further failures are not shown one by one\n")
