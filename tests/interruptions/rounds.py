"""One round: a run is disturbed, resumed until it is finished, and held against an undisturbed one."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from imaging_core.errors import EXIT_DATA
from tests.interruptions.place import Place, compared
from tests.interruptions.processes import descendants, step_of, wait_until_gone, working_on
from tests.interruptions.schedule import Disturbance, draw
from tests.interruptions.timeline import Moment, Timeline, phase_of, watch

UNDISTURBED = "undisturbed"
SECONDS = 300
"""No command of this small run takes so long, nor does any of its processes stay."""

MOST_RESUMES = 6
ENDS = {0, 1, 130, 137, 143, -signal.SIGINT, -signal.SIGTERM, -signal.SIGKILL}
"""How a disturbed command may end: finished, incomplete, or by the signal, which Python does not yet hear at first."""

Command = subprocess.Popen[bytes]


class Harm(Exception):  # noqa: N818 - what the rounds look for
    """An interruption did what it must not do."""


@dataclass
class Round:
    """What happened.

    Attributes:
        seed: of its schedule.
        sent: each signal, in words.
        phases: the phase of the run in which each signal was sent.
        resumed: how often.
        leaving: seconds from SIGTERM or Ctrl-C to the end of the process that got it, longest.
        problem: what is not as it must be; empty when all is well.
        seconds: how long the round took.
    """

    seed: int
    sent: list[str] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)
    resumed: int = 0
    leaving: float = 0.0
    problem: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        times = {1: "once", 2: "twice"}.get(self.resumed, f"{self.resumed} times")
        what = "; ".join(self.sent) or "ended before anything was sent"
        result = f"FAILED: {self.problem}" if self.problem else "the same bytes"
        return f"seed {self.seed}: {what}; resumed {times}: {result} ({self.seconds:.0f} s)"


@dataclass(frozen=True)
class Undisturbed:
    """A run that nothing disturbed: when its files appeared, and what is to be compared."""

    timeline: Timeline
    files: dict[str, bytes]


def undisturbed(place: Place) -> Undisturbed:
    """Run once and look on."""
    command = place.start(UNDISTURBED)
    timeline = watch(lambda: place.keys(UNDISTURBED), lambda: command.poll() is None)
    if command.returncode:
        raise Harm(f"undisturbed, exit code {command.returncode}:\n{place.said(UNDISTURBED).read_text()}")
    return Undisturbed(timeline, compared(place.files(UNDISTURBED)))


def rounds(place: Place, seeds: range) -> Iterator[Round]:
    """Disturb one run for each seed; what a round leaves is removed unless it differs."""
    reference = undisturbed(place)
    for seed in seeds:
        name = f"seed-{seed}"
        started = time.monotonic()
        done = Round(seed)
        disturbed = _Disturbed(place, name, done)
        try:
            disturbed.go(draw(seed, reference.timeline), random.Random(~seed))
            _compare(compared(place.files(name)), reference.files)
        except (Harm, TimeoutError, subprocess.TimeoutExpired) as error:
            done.problem = f"{error}; kept in {place.keep(name)}, said in {place.said(name)}"
        finally:
            disturbed.end()
        done.seconds = time.monotonic() - started
        if not done.problem:
            place.remove(name)
        yield done


class _Disturbed:
    """The commands of one run, and what is done to them."""

    def __init__(self, place: Place, name: str, done: Round) -> None:
        self._place, self._name, self._done = place, name, done
        self._commands: list[Command] = [place.start(name)]
        self._touched = False
        self._frozen: list[int] = []

    def go(self, drawn: Sequence[Disturbance], rng: random.Random) -> None:
        """Disturb, resume until the run is finished, wake up what was frozen."""
        for each in drawn:
            if self._reached(each.moment):
                self._send(each, rng)
                if not self._running():
                    self._resume(each)
        while self._ended() != {0}:
            self._resume(None)
        self._thaw()
        wait_until_gone(self._place.of(self._name), SECONDS)

    def end(self) -> None:
        """Leave no process behind."""
        self._thaw()
        for pid in working_on(self._place.of(self._name)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for command in self._commands:
            command.wait()

    def _running(self) -> list[Command]:
        return [command for command in self._commands if command.poll() is None]

    def _reached(self, moment: Moment) -> bool:
        """Wait for a moment; whether a command is at work then."""
        deadline = time.monotonic() + SECONDS
        while (files := len(self._place.keys(self._name))) < moment.files:
            if not self._running():
                return False
            if time.monotonic() > deadline:
                raise Harm(f"hangs before {moment}")
            time.sleep(0.002)
        at = time.monotonic() + moment.seconds
        while (left := at - time.monotonic()) > 0 and len(self._place.keys(self._name)) == files:
            time.sleep(min(left, 0.01))
        return bool(self._running())

    def _send(self, each: Disturbance, rng: random.Random) -> None:
        running = self._running()
        below = [pid for command in running for pid in descendants(command.pid)]
        steps = [pid for pid in below if step_of(pid)]
        workers = [pid for pid in below if pid not in steps]
        choice = {"run": [], "step": steps, "worker": workers or steps}[each.target]
        keys = self._place.keys(self._name)
        self._touched = True
        self._done.phases.append(phase_of(keys))
        if not choice:
            number = signal.SIGKILL if each.number is signal.SIGSTOP else each.number
            self._done.sent.append(f"run {number.name} ({self._done.phases[-1]}, at {len(keys)} files; {each.after})")
            self._signal([command.pid for command in running], number, lambda: not self._running())
            return
        pid = rng.choice(choice)
        who = step_of(pid) or "worker"
        self._done.sent.append(f"{who} {each.number.name} ({self._done.phases[-1]}, at {len(keys)} files)")
        if each.number is signal.SIGSTOP:
            self._frozen.append(pid)
            self._signal([pid], each.number, lambda: True)
            self._signal([command.pid for command in running], signal.SIGKILL, lambda: not self._running())
        else:
            self._signal([pid], each.number, lambda: pid not in descendants(os.getpid()))

    def _signal(self, pids: list[int], number: signal.Signals, gone: Callable[[], bool]) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        asked = time.monotonic()
        while not gone():
            if time.monotonic() - asked > SECONDS:
                raise Harm(f"does not end after {number.name}")
            time.sleep(0.01)
        if number is not signal.SIGKILL:
            self._done.leaving = max(self._done.leaving, time.monotonic() - asked)

    def _ended(self) -> set[int]:
        """The exit codes, once all commands have ended; those that nobody disturbed must be 0."""
        codes = {command.wait(SECONDS) for command in self._commands}
        if not codes <= ENDS or (not self._touched and codes != {0}):
            raise Harm(f"exit codes {sorted(codes)} of commands that were {'' if self._touched else 'not '}disturbed")
        return codes

    def _resume(self, after: Disturbance | None) -> None:
        if self._ended() == {0}:
            return
        if self._done.resumed == MOST_RESUMES:
            raise Harm(f"not finished after {MOST_RESUMES} resumes")
        begun = "run.json" in self._place.keys(self._name)
        if not begun:
            self._expect_no_run()
        elif not self._frozen and (after is None or after.after == "when all are gone"):
            wait_until_gone(self._place.of(self._name), SECONDS)
        twice = begun and after is not None and after.after == "twice at once"
        self._commands = [self._place.start(self._name, resume=begun) for _ in range(2 if twice else 1)]
        self._touched = False
        self._done.resumed += 1

    def _expect_no_run(self) -> None:
        """Resuming what was never begun says so."""
        code = self._place.start(self._name, resume=True).wait(SECONDS)
        said = self._place.said(self._name).read_text()
        if code != EXIT_DATA or "no run here" not in said:
            raise Harm(f"resumed before run.json was there, it ended with {code}:\n{said}")

    def _thaw(self) -> None:
        for pid in self._frozen:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._frozen = []


def _compare(files: dict[str, bytes], reference: dict[str, bytes]) -> None:
    for what, keys in (
        ("is missing", reference.keys() - files.keys()),
        ("should not be there", files.keys() - reference.keys()),
        ("differs", {key for key in files.keys() & reference.keys() if files[key] != reference[key]}),
    ):
        if keys:
            raise Harm(f"{min(keys)} {what}" + (f", and {len(keys) - 1} more" if len(keys) > 1 else ""))
