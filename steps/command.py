"""How every command of the project ends: its exit code, one clear message, and nothing left behind on a signal."""

import argparse
import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from types import FrameType
from typing import NoReturn

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
from imaging_core.store import Location

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
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return EXIT_DONE
        case PermissionError():
            return _say(f"error: {error.filename}: permission denied; check owner and mode", EXIT_CONFIGURATION)
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            where = error.filename or "the disk"
            return _say(f"error: {where}: no space left; free some, then run the same again", EXIT_TEMPORARY)
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


def location(text: str) -> Location:
    """A place in a store; argparse shows the error of anything else."""
    try:
        return Location.parse(text)
    except InferenceError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def positive(text: str) -> int:
    """An integer of at least 1; argparse shows the error of anything else."""
    if not (text.isascii() and text.isdigit() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def _say(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code
