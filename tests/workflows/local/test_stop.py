"""Ctrl-C, SIGTERM and SIGKILL to a real engine process: no step goes on."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from workflows.retry import RETRY_EXPRESSION

DRIVER = """
import json, pathlib, sys
from workflows.local import Engine, read_plan

class Silent:
    def started(self, node): pass
    def retrying(self, node, wait): print("retrying", flush=True)
    def ended(self, node): print("ended", node.exit_code, flush=True)
    def stopping(self, running): print("stopping", running, flush=True)
    def tick(self, nodes): pass

step = {"name": "step", "inputs": {"parameters": [{"name": "item"}]}, "retryStrategy": json.loads(sys.argv[3]),
        "container": {"command": ["python", "-c"], "args": [sys.argv[1], "{{inputs.parameters.item}}"]}}
task = {"name": "step", "template": "step", "withParam": '["a", "b"]',
        "arguments": {"parameters": [{"name": "item", "value": "{{item}}"}]}}
manifest = {"kind": "Workflow", "spec": {"entrypoint": "main", "parallelism": 2,
            "templates": [{"name": "main", "dag": {"tasks": [task]}}, step]}}
outcome = Engine(read_plan(manifest), pathlib.Path(sys.argv[2]), Silent()).run()
print("stopped by", outcome.stopped.name if outcome.stopped else None)
"""


class Engine:
    """A process that runs two steps, each of which says by a file that it is up."""

    def __init__(self, folder: Path, code: str) -> None:
        self.folder = folder
        body = f"""
            import os, pathlib, signal, sys, time
            folder = pathlib.Path({str(folder)!r})
            def up(name=sys.argv[1], pid=None):
                (folder / (name + ".new")).write_text(str(pid or os.getpid()))
                (folder / (name + ".new")).rename(folder / (name + ".pid"))
        """
        step = textwrap.dedent(body) + textwrap.dedent(code)
        retry = f'{{"limit": "3", "expression": "{RETRY_EXPRESSION}"}}'
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, step, str(folder / "logs"), retry],
            cwd=Path(__file__).parents[3],
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, *names: str) -> list[int]:
        deadline = time.monotonic() + 60
        while not all((self.folder / f"{name}.pid").exists() for name in names):
            assert time.monotonic() < deadline, list(self.folder.iterdir())
            time.sleep(0.02)
        return [int((self.folder / f"{name}.pid").read_text()) for name in names]

    def end(self) -> str:
        return self.process.communicate(timeout=60)[0]


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 30
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline, [pid for pid in pids if alive(pid)]
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_steps_are_told_and_end_by_themselves(tmp_path, number):
    engine = Engine(
        tmp_path,
        """
        def leave(*_):
            (folder / (sys.argv[1] + ".said-goodbye")).touch()
            sys.exit(143)
        signal.signal(signal.SIGTERM, leave)
        up()
        time.sleep(600)
        """,
    )
    steps = engine.wait_for("a", "b")
    engine.process.send_signal(number)
    said = engine.end()

    assert said.splitlines() == ["stopping 2", f"stopped by {number.name}"]
    assert not any(alive(pid) for pid in steps)
    assert (tmp_path / "a.said-goodbye").exists()
    assert (tmp_path / "b.said-goodbye").exists()


def test_a_step_that_does_not_listen_is_killed_at_the_second_request_with_its_workers(tmp_path):
    engine = Engine(
        tmp_path,
        """
        import subprocess
        signal.signal(signal.SIGTERM, lambda *_: up(sys.argv[1] + "-told"))
        code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
        worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        worker.stdout.readline()
        up(sys.argv[1] + "-worker", worker.pid)
        while True: time.sleep(600)
        """,
    )
    workers = engine.wait_for("a-worker", "b-worker")
    engine.process.send_signal(signal.SIGINT)
    steps = engine.wait_for("a-told", "b-told")
    engine.process.send_signal(signal.SIGINT)

    assert "stopped by SIGINT" in engine.end()
    wait_until_gone([*steps, *workers])


def test_a_step_that_does_not_end_is_killed_when_its_time_is_over(tmp_path):
    engine = Engine(tmp_path, "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nup()\nwhile True: time.sleep(600)")
    steps = engine.wait_for("a", "b")
    engine.process.send_signal(signal.SIGTERM)

    assert "stopped by SIGTERM" in engine.end()
    assert not any(alive(pid) for pid in steps)


def test_steps_are_told_when_the_engine_itself_is_killed(tmp_path):
    engine = Engine(tmp_path, "up()\ntime.sleep(600)")
    steps = engine.wait_for("a", "b")
    os.kill(engine.process.pid, signal.SIGKILL)
    engine.end()

    wait_until_gone(steps)


def test_a_ctrl_c_in_the_terminal_reaches_steps_only_through_the_engine(tmp_path):
    engine = Engine(tmp_path, "up()\ntime.sleep(600)")
    steps = engine.wait_for("a", "b")

    assert all(os.getpgid(pid) == pid for pid in steps)
    engine.process.send_signal(signal.SIGTERM)
    engine.end()
