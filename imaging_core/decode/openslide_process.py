"""OpenSlide in processes of its own: a file that crashes it, or that it never comes back from, is a failed case.

A process is kept for the next slide, since starting one takes some tenths of a second.
"""

import json
import os
import select
import signal
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

from imaging_core.decode import openslide_child
from imaging_core.decode.case import CaseError
from imaging_core.decode.openslide_child import ANSWER, DAMAGED, DONE, NO_MEMORY, REQUEST, UNSUPPORTED

PATIENCE = 300.0
"""Seconds for one answer."""

_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL}


class _Process:
    """One process, which has one slide open or none."""

    def __init__(self) -> None:
        command = [sys.executable, "-P", openslide_child.__file__]
        self._popen = subprocess.Popen(
            command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    @property
    def lives(self) -> bool:
        """Whether it has not ended."""
        return self._popen.poll() is None

    def ask(self, *request: Any) -> tuple[bytes, bytearray]:
        """How it went, and the answer; CaseError when the process ends or does not answer."""
        if self._popen.stdin is None:
            raise ValueError("no pipe")
        data = json.dumps(request).encode()
        try:
            self._popen.stdin.write(REQUEST.pack(len(data)) + data)
            how, length = ANSWER.unpack(self._receive(ANSWER.size))
            return how, self._receive(length)
        except (BrokenPipeError, EOFError):
            raise _ended(self._popen.wait()) from None
        except TimeoutError:
            self._popen.kill()
            self._popen.wait()
            raise CaseError("unreadable", f"OpenSlide gave no answer within {PATIENCE:.0f} seconds") from None

    def _receive(self, count: int) -> bytearray:
        if self._popen.stdout is None:
            raise ValueError("no pipe")
        file = self._popen.stdout.fileno()
        waiting = select.poll()
        waiting.register(file, select.POLLIN)
        data = bytearray(count)
        left = memoryview(data)
        while left:
            if not waiting.poll(PATIENCE * 1000):
                raise TimeoutError
            got = os.readv(file, [left])
            if not got:
                raise EOFError
            left = left[got:]
        return data


_free: list[_Process] = []
"""Processes that have no slide open."""


class OpenSlideProcesses:
    """A slide in as many processes as threads read it at once; safe to use from every thread.

    Args:
        path: the file.

    Attributes:
        said: width and height of each level, how many times smaller each is, and micrometres per pixel down and across
            as the file says them, None where it does not.

    Raises:
        CaseError: unsupported when OpenSlide does not know the file, unreadable when it is damaged, crashes OpenSlide
            or keeps it busy for ever.
        MemoryError: there is too little for it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[_Process] = []
        weakref.finalize(self, _set_free, self._idle).atexit = False
        process, said = self._opened()
        self._idle.append(process)
        self.said: list[list[Any]] = json.loads(said)

    def read(self, x: int, y: int, level: int, width: int, height: int) -> bytearray:
        """RGB pixels of a region, white where there are none; x and y are of level 0. Raises as the class does."""
        process = _pop(self._idle) or self._opened()[0]
        how, data = process.ask("read", x, y, level, width, height)
        self._idle.append(process)
        _check(how)
        return data

    def _opened(self) -> tuple[_Process, bytearray]:
        process = _pop(_free)
        if process is None or not process.lives:
            process = _Process()
        how, said = process.ask("open", str(self._path))
        if how != DONE:
            _free.append(process)
        _check(how)
        return process, said


def _pop(processes: list[_Process]) -> _Process | None:
    try:
        return processes.pop()
    except IndexError:
        return None


def _set_free(processes: list[_Process]) -> None:
    while process := _pop(processes):
        try:
            process.ask("close")
        except CaseError:
            continue
        _free.append(process)


def _check(how: bytes) -> None:
    if how == UNSUPPORTED:
        raise CaseError("unsupported", "a slide that OpenSlide does not read")
    if how == DAMAGED:
        raise CaseError("unreadable", "the slide is truncated or damaged")
    if how == NO_MEMORY:
        raise MemoryError("OpenSlide found none")


def _ended(code: int) -> Exception:
    if code >= 0:
        return RuntimeError(f"OpenSlide's process ended with exit code {code}")
    name = signal.Signals(-code).name
    if -code in _CRASHES:
        return CaseError("unreadable", f"OpenSlide crashed on the slide ({name}): it is damaged, or of an unknown kind")
    return CaseError("unreadable", f"OpenSlide's process was ended by {name}", temporary=True)
