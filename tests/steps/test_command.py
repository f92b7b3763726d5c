"""How every command ends: the exit codes and the one message."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from steps.command import LEAVE_SECONDS

SAY = """
import argparse, errno, os, time
from steps.command import run_command, count_or_percentage, distance, positive
from imaging_core import errors
def main(arguments):
    {body}
run_command(main)
"""


def run(body: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = SAY.format(body=body)
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("UsageError", 64),
        ("DataError", 65),
        ("MissingError", 65),
        ("TemporaryError", 75),
        ("ConfigurationError", 78),
        ("NotAcceptableError", 1),
    ],
)
def test_an_error_is_one_message_and_its_exit_code(error: str, code: int) -> None:
    ended = run(f"raise errors.{error}('images.yml: images[3]: no location; add one')")
    assert ended.returncode == code
    assert ended.stderr == "error: images.yml: images[3]: no location; add one\n"


def test_the_code_that_main_returns_is_the_exit_code() -> None:
    assert run("return 0").returncode == 0
    assert run("return 1").returncode == 1


def test_ctrl_c_and_sigterm_have_their_codes() -> None:
    assert run("raise KeyboardInterrupt").returncode == 130
    program = SAY.format(body="print('ready', flush=True); time.sleep(60)")
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(timeout=30) == 143


STEP = """
import hashlib, os, signal, sys, threading, time
from steps.command import run_step
def main(arguments):
    {body}
run_step(main)
"""


def step(body: str) -> subprocess.CompletedProcess[str]:
    program = STEP.format(body=body)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_step_ends_soon_after_a_signal_though_a_computation_does_not(name: str, code: int) -> None:
    soon = f"threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.{name})).start(); "
    forever = "hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)"  # one call, which no signal handler interrupts
    ended = step(f"{soon}{forever}")
    assert ended.returncode == code
    assert ended.stderr == "did not end in time after a signal, and was ended\n"
    assert LEAVE_SECONDS < 10


def test_a_step_that_ends_by_itself_after_a_signal_says_so_in_its_own_words() -> None:
    ended = step("os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)")
    assert (ended.returncode, ended.stderr) == (143, "terminated\n")


@pytest.mark.parametrize("code", [0, 75])
def test_threads_that_are_still_computing_do_not_change_a_steps_exit_code(code: int) -> None:
    body = """
    import torch
    begun = threading.Event()
    def work():
        while True:
            begun.set()
            torch.nn.functional.interpolate(torch.rand(1, 3, 4000, 4000), size=(3000, 3000), mode="bilinear")
    threading.Thread(target=work, daemon=True).start()
    begun.wait()
    print("said")
    return CODE
    """
    ended = step(body.strip().replace("CODE", str(code)))
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "said\n", "")


def test_a_second_sigterm_does_not_disturb_the_end() -> None:
    ended = step(
        "\n    ".join(
            [
                "try: os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)",
                "finally: os.kill(os.getpid(), signal.SIGTERM); time.sleep(0.1); print('cleaned up')",
            ]
        )
    )
    assert (ended.returncode, ended.stdout) == (143, "cleaned up\n")


def test_a_full_disk_is_temporary_and_a_forbidden_file_is_configuration() -> None:
    assert run("raise OSError(errno.ENOSPC, 'No space left on device', '/data/x')").returncode == 75
    forbidden = run("raise PermissionError(errno.EACCES, 'Permission denied', '/data/x')")
    assert forbidden.returncode == 78
    assert "/data/x: permission denied" in forbidden.stderr


def test_no_memory_is_temporary() -> None:
    ended = run("return len(bytearray(2**62))")
    assert ended.returncode == 75
    assert ended.stderr == "error: no memory left; give the step more, then run the same again\n"


@pytest.mark.parametrize(
    ("end", "code"), [("raise errors.DataError('x')", 65), ("raise KeyboardInterrupt", 130), ("1 / 0", 70)]
)
def test_a_log_on_a_full_disk_does_not_change_the_exit_code(end: str, code: int) -> None:
    program = [sys.executable, "-c", SAY.format(body=end)]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(program, stdout=subprocess.DEVNULL, stderr=full, check=False)
    assert ended.returncode == code


def test_a_bug_is_not_dressed_up_as_anything_else() -> None:
    ended = run("raise RuntimeError('a bug')")
    assert ended.returncode == 70
    assert "Traceback" in ended.stderr


def test_a_wrong_option_is_a_usage_error() -> None:
    parse = "p = argparse.ArgumentParser(); p.add_argument('--shards', type=positive); p.parse_args(); return 0"
    assert run(parse, "--shards", "4").returncode == 0
    for wrong in ("0", "-1", "four", "1.5", ""):
        ended = run(parse, f"--shards={wrong}")
        assert ended.returncode == 64
        assert "whole number of at least 1" in ended.stderr
    assert run(parse, "--no-such-option").returncode == 64
    assert run(parse, "--help").returncode == 0


@pytest.mark.parametrize(("text", "value"), [("0", "0"), ("5", "5"), ("2%", "0.02"), ("0%", "0.0"), ("100%", "1.0")])
def test_a_count_or_a_percentage(text: str, value: str) -> None:
    assert run(f"print(repr(count_or_percentage({text!r}))); return 0").stdout.strip() == value


@pytest.mark.parametrize(("text", "value"), [("0", "0.0"), ("2", "2.0"), ("0.5", "0.5"), ("1e3", "1000.0")])
def test_a_distance(text: str, value: str) -> None:
    assert run(f"print(distance({text!r})); return 0").stdout.strip() == value


@pytest.mark.parametrize("wrong", ["-1", "nan", "inf", "far", ""])
def test_no_distance(wrong: str) -> None:
    parse = "p = argparse.ArgumentParser(); p.add_argument('--tolerance', type=distance); p.parse_args()"
    ended = run(parse, f"--tolerance={wrong}")
    assert ended.returncode == 64
    assert "is not a number of at least 0" in ended.stderr


@pytest.mark.parametrize("wrong", ["-1", "101%", "nan%", "many", "1.5", ""])
def test_neither_a_count_nor_a_percentage(wrong: str) -> None:
    parse = "p = argparse.ArgumentParser(); p.add_argument('--max-failed', type=count_or_percentage); p.parse_args()"
    assert run(parse, f"--max-failed={wrong}").returncode == 64
