"""Processes as Linux shows them below /proc."""

import re
import time
from pathlib import Path

_STEP = re.compile(r"\0steps\.(\w+)\0")


def descendants(ancestor: int) -> list[int]:
    """All living processes below one, parents before their children."""
    children: dict[int, list[int]] = {}
    for pid, (state, parent) in _all().items():
        if state not in "ZX":
            children.setdefault(parent, []).append(pid)
    found = list(children.get(ancestor, ()))
    for pid in found:
        found += children.get(pid, ())
    return found


def step_of(pid: int) -> str | None:
    """``infer`` for a process whose command line calls ``steps.infer``."""
    named = _STEP.search(_command(pid))
    return named[1] if named else None


def working_on(location: str) -> list[int]:
    """Living processes that have a location among their arguments."""
    return [pid for pid, (state, _) in _all().items() if state not in "ZX" and location in _command(pid).split("\0")]


def wait_until_gone(location: str, seconds: float) -> None:
    """Wait for all processes that work on a location; TimeoutError names those that stay."""
    deadline = time.monotonic() + seconds
    while left := working_on(location):
        if time.monotonic() > deadline:
            raise TimeoutError(f"still there after {seconds:g} s: {[_command(pid).split(chr(0)) for pid in left]}")
        time.sleep(0.02)


def _all() -> dict[int, tuple[str, int]]:
    found = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                state, parent = (process / "stat").read_text().rpartition(") ")[2].split()[:2]
            except OSError:
                continue
            found[int(process.name)] = (state, int(parent))
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
