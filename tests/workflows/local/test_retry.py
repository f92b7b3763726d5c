"""Retries: the one rule, with limits and waits as Argo counts them."""

import pytest

from workflows.local.retry import read_retry
from workflows.retry import RETRY_EXPRESSION

COUNT = """
import os, pathlib, signal, sys
attempts = pathlib.Path({folder!r}, "attempts")
attempts.write_text((attempts.read_text() if attempts.exists() else "") + "x")
attempt = len(attempts.read_text())
"""


@pytest.fixture
def attempts(tmp_path):
    return lambda: len((tmp_path / "attempts").read_text())


@pytest.fixture
def counting(tmp_path):
    return COUNT.format(folder=str(tmp_path))


def test_a_temporary_failure_is_tried_again_until_it_succeeds(local, single, counting, attempts):
    outcome = local.run(single(counting + "sys.exit(75 if attempt < 3 else 0)", limit=5))

    assert outcome.results == {"step": "Succeeded"}
    assert attempts() == 3
    assert local.journal.lines == [
        "step started",
        "step ended with 75, again in 0.1 s",
        "step started",
        "step ended with 75, again in 0.2 s",
        "step started",
        "step Succeeded with 0",
    ]


@pytest.mark.parametrize("code", [1, 2, 64, 65, 70, 78, 130, 255])
def test_what_no_retry_can_mend_is_not_tried_again(local, single, counting, attempts, code):
    outcome = local.run(single(counting + f"sys.exit({code})", limit=5))

    assert attempts() == 1
    assert (outcome.results["step"], outcome.nodes[0].exit_code) == ("Failed", code)


@pytest.mark.parametrize(("name", "code"), [("SIGKILL", 137), ("SIGTERM", 143)])
def test_a_step_that_was_killed_is_tried_again(local, single, counting, attempts, name, code):
    outcome = local.run(single(counting + f"if attempt == 1: os.kill(os.getpid(), signal.{name})", limit=5))

    assert f"step ended with {code}, again in 0.1 s" in local.journal.lines
    assert (outcome.results["step"], attempts()) == ("Succeeded", 2)


def test_a_step_that_crashed_is_not(local, single, counting, attempts):
    outcome = local.run(single(counting + "os.kill(os.getpid(), signal.SIGSEGV)", limit=5))

    assert (outcome.nodes[0].exit_code, attempts()) == (139, 1)


def test_the_limit_counts_further_attempts(local, single, counting, attempts):
    outcome = local.run(single(counting + "sys.exit(75)", limit=2))

    assert attempts() == 3
    assert (outcome.results["step"], outcome.nodes[0].exit_code) == ("Failed", 75)


def test_a_template_without_a_retry_strategy_has_one_attempt(local, single, counting, attempts):
    local.run(single(counting + "sys.exit(75)"))

    assert attempts() == 1


def test_no_retry_begins_after_the_longest_duration(local, single, counting, attempts):
    local.run(single(counting + "sys.exit(75)", limit=5, longest="50ms"))

    assert attempts() == 1


def test_an_item_that_waits_for_its_retry_leaves_its_slot_to_others(local, fan_out, tmp_path):
    each = f"""
import pathlib, sys
first = pathlib.Path({str(tmp_path)!r}, "first")
if sys.argv[1] == "a" and not first.exists():
    first.touch()
    sys.exit(75)
"""
    local.run(fan_out(["a", "b"], each, parallelism=1, limit=3))

    starts = [line for line in local.journal.lines if line.startswith("each") and line.endswith("started")]
    assert starts == ["each-a started", "each-b started", "each-a started"]


@pytest.mark.parametrize(("text", "seconds"), [("10", 10), ("10s", 10), ("2m", 120), ("1h30m", 5400), ("1.5s", 1.5)])
def test_durations_are_those_of_go(text, seconds):
    strategy = {"limit": "1", "expression": RETRY_EXPRESSION, "backoff": {"duration": text}}
    retry = read_retry("here", strategy)

    assert retry.wait_after(1, "Failed", 75, 0) == seconds


def test_a_lost_node_is_tried_again_whatever_its_exit_code():
    retry = read_retry("here", {"limit": "1", "expression": RETRY_EXPRESSION})

    assert retry.wait_after(1, "Error", 0, 0) == 0
