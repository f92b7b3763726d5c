"""One attempt at a step: a process group of its own, its output in a log file, and nothing left of it afterwards."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

_TIED = str(Path(__file__).with_name("tied.py"))


class StepProcess:
    """A started command.

    Args:
        command: program and arguments; ``python`` means this interpreter.
        environment: all of it.
        log: what stdout and stderr are appended to.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: IO[bytes]) -> None:
        program = sys.executable if command[0] == "python" else command[0]
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", _TIED, str(os.getpid()), program, *command[1:]],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Of the process, and of its group."""
        return self._process.pid

    def poll(self) -> int | None:
        """The exit code once the process has ended, 128 + n after signal n; None while it runs.

        What is left of its group is killed, as a pod's other processes are when the main one ends.
        """
        if self._process.returncode is None:
            # Look without reaping: while the process is a zombie, nobody else can get its group's number.
            if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                return None
            self.send(signal.SIGKILL)
            self._process.wait()
        code = self._process.returncode
        return 128 - code if code < 0 else code

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process and all of its group."""
        if self._process.returncode is None:
            os.killpg(self.pid, number)
