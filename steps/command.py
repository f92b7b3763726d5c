"""How every command of the project ends: its exit code, one clear message, and nothing left behind on a signal."""

import argparse
import errno
import math
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, TextIO

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
from imaging_core.report.cost import Price
from imaging_core.store import Location

if TYPE_CHECKING:
    from imaging_core.report.requirements import Requirement

ARGPARSE_USAGE = 2

LEAVE_SECONDS = 8.0
"""How long a step may take to end after SIGTERM or Ctrl-C: with what the system needs, less than 10 s."""

_SIGNAL_CODES: dict[int, int] = {signal.SIGTERM: EXIT_TERMINATED, signal.SIGINT: EXIT_INTERRUPTED}


class Terminated(BaseException):
    """SIGTERM arrived. Like KeyboardInterrupt not an Exception: only what cleans up may catch it."""


def run_command(main: Callable[[Sequence[str] | None], int]) -> NoReturn:
    """Run ``main`` and leave the process with its exit code; errors become one message on stderr and their code."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = main(None)
        sys.stdout.flush()
        _hear_no_more()
    except BaseException as error:
        _hear_no_more()
        code = _exit_code(error)
    for stream in (sys.stdout, sys.stderr):
        _let_go(stream)
    if code in _SIGNAL_CODES.values() and _others_at_work():
        os._exit(code)  # the interpreter would wait for threads that read what may not come
    sys.exit(code)


def run_step(main: Callable[[Sequence[str] | None], int]) -> NoReturn:
    """As :func:`run_command`, for what writes whole or not at all: it ends LEAVE_SECONDS after a signal at the latest.

    Python hands a signal over between two instructions of the main thread only, which one computation over a large
    batch puts off; and threads that wait for a store that has gone would let the interpreter end late, or badly.
    """
    try:
        with _leaving_soon():
            run_command(main)
    except SystemExit as end:
        if threading.active_count() == 1:
            raise
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        os._exit(int(end.code or EXIT_DONE))


@contextmanager
def _leaving_soon() -> Iterator[None]:
    receiving, sending = socket.socketpair()
    sending.setblocking(False)
    signal.set_wakeup_fd(sending.fileno(), warn_on_full_buffer=False)
    watch = threading.Thread(target=_end_after_signal, args=(receiving,), daemon=True)
    watch.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(-1)
        sending.close()
        watch.join()
        receiving.close()


def _end_after_signal(arriving: socket.socket) -> None:
    """End the process LEAVE_SECONDS after the first signal's number arrives, unless the other end is closed first."""
    code = None
    while code is None:
        numbers = arriving.recv(1)
        if not numbers:
            return
        code = _SIGNAL_CODES.get(numbers[0])
    deadline = time.monotonic() + LEAVE_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        arriving.settimeout(left)
        try:
            if not arriving.recv(1):
                return
        except TimeoutError:
            break
    os.write(2, b"did not end in time after a signal, and was ended\n")
    os._exit(code)


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


def price(text: str) -> Price:
    """What an hour costs, such as ``2.50 EUR``; argparse shows the error of anything else."""
    try:
        return Price.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def requirement(text: str) -> "Requirement":
    """A limit for a figure, such as ``iou.mean>=0.77``; argparse shows the error of anything else."""
    from imaging_core.report.requirements import (
        Requirement,  # the metrics take half a second that most steps do not need
    )

    try:
        return Requirement.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


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


def distance(text: str) -> float:
    """A finite number of at least 0; argparse shows the error of anything else."""
    with suppress(ValueError):
        if 0 <= (value := float(text)) < math.inf:
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 0")


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would interrupt how the first one ends the process
    raise Terminated


def _hear_no_more() -> None:
    """The exit code is settled: a signal that comes now would make it that of a crash."""
    for number in _SIGNAL_CODES:
        signal.signal(number, signal.SIG_IGN)


def _say(message: str, code: int) -> int:
    with suppress(OSError):  # the log may lie on the disk that is full: the exit code still tells
        print(message, file=sys.stderr, flush=True)
    return code


def _others_at_work() -> bool:
    return any(not each.daemon for each in threading.enumerate() if each is not threading.main_thread())


def _let_go(stream: TextIO) -> None:
    """What cannot be written must not change the exit code when Python tries it again at its end."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
