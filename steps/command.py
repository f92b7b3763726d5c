"""How every command of the project ends: its exit code, one clear message, and nothing left behind on a signal."""

import argparse
import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType
from typing import NoReturn, TextIO

from imaging_core.errors import (
    EXIT_BUG,
    EXIT_CONFIGURATION,
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_TEMPORARY,
    EXIT_TERMINATED,
    EXIT_USAGE,
    InferenceError,
)

ARGPARSE_USAGE = 2


class Terminated(BaseException):
    """SIGTERM arrived. Like KeyboardInterrupt not an Exception: only what cleans up may catch it."""


def run_command(main: Callable[[Sequence[str] | None], int]) -> NoReturn:
    """Run ``main`` and leave the process with its exit code; errors become one message on stderr and their code."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = main(None)
        sys.stdout.flush()
    except BaseException as error:
        code = _exit_code(error)
    for stream in (sys.stdout, sys.stderr):
        _let_go(stream)
    sys.exit(code)


def _exit_code(error: BaseException) -> int:
    match error:
        case InferenceError():
            return _say(f"error: {error}", error.exit_code)
        case KeyboardInterrupt():
            return _say("interrupted", EXIT_INTERRUPTED)
        case Terminated():
            return _say("terminated", EXIT_TERMINATED)
        case SystemExit():
            return EXIT_USAGE if error.code == ARGPARSE_USAGE else int(error.code or EXIT_DONE)
        case BrokenPipeError():
            return EXIT_DONE
        case PermissionError():
            return _say(f"error: {error.filename}: permission denied; check owner and mode", EXIT_CONFIGURATION)
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            where = error.filename or "the disk"
            return _say(f"error: {where}: no space left; free some, then run the same again", EXIT_TEMPORARY)
        case MemoryError():
            return _say("error: no memory left; give the step more, then run the same again", EXIT_TEMPORARY)
    with suppress(OSError):
        traceback.print_exception(error)
    return _say("error: this is a defect of the program; please report the lines above", EXIT_BUG)


def count_or_percentage(text: str) -> int | float:
    """``"5"`` gives the count 5, ``"2%"`` the fraction 0.02; argparse shows the error of anything else."""
    try:
        if text.endswith("%"):
            fraction = float(text[:-1]) / 100
            if 0 <= fraction <= 1:
                return fraction
        elif int(text) >= 0:
            return int(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is neither a count (5) nor a percentage (2%)")


def positive(text: str) -> int:
    """An integer of at least 1; argparse shows the error of anything else."""
    if not (text.isascii() and text.isdigit() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def _say(message: str, code: int) -> int:
    with suppress(OSError):  # the log may lie on the disk that is full: the exit code still tells
        print(message, file=sys.stderr, flush=True)
    return code


def _let_go(stream: TextIO) -> None:
    """What cannot be written must not change the exit code when Python tries it again at its end."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
