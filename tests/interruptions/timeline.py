"""How a run goes when nothing disturbs it, and moments of it that can be found again in a disturbed one."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

PHASES = ("start", "split", "load", "infer", "gather", "report")
"""Until run.json is there; until the split is complete; until the first result; until all shards are complete; until
the first file of the report; until the command has ended."""


def phase_of(keys: set[str]) -> str:
    """The phase that a run with these files is in."""
    shards = sum(key.startswith("shards/") and key.endswith(".yml") for key in keys)
    phases = {
        "report": any(key.startswith("report/") for key in keys),
        "gather": 0 < shards == sum(key.endswith("/summary.json") for key in keys),
        "infer": any(key.startswith("results/") for key in keys),
        "load": "shards/index.json" in keys,
        "split": "run.json" in keys,
    }
    return next((phase for phase, there in phases.items() if there), "start")


@dataclass(frozen=True)
class Moment:
    """A place in a run: so many seconds after so many files were there, or when the next file appears."""

    phase: str
    files: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.phase}, {self.files} files + {self.seconds * 1000:.0f} ms"


@dataclass(frozen=True)
class Timeline:
    """When each file of a run appeared, and when the command ended; in seconds from its start."""

    appeared: Mapping[str, float]
    ended: float

    def moment(self, phase: str, fraction: float) -> Moment:
        """The moment at a fraction of a phase's time."""
        begin, end = self._bounds()[PHASES.index(phase) :][:2]
        at = begin + fraction * (end - begin)
        before = [seconds for seconds in self.appeared.values() if seconds <= at]
        return Moment(phase, len(before), at - max(before, default=0.0))

    def _bounds(self) -> list[float]:
        def when(choose: Callable[..., float], *parts: str) -> float:
            return choose(at for key, at in self.appeared.items() if all(part in key for part in parts))

        return [
            0.0,
            when(min, "run.json"),
            when(min, "shards/index.json"),
            when(min, "results/"),
            when(max, "results/", "summary.json"),
            when(min, "report/"),
            self.ended,
        ]


def watch(keys: Callable[[], set[str]], running: Callable[[], bool]) -> Timeline:
    """Look at the files of a run until its command has ended."""
    start = time.monotonic()
    appeared: dict[str, float] = {}
    while running():
        for key in keys():
            appeared.setdefault(key, time.monotonic() - start)
        time.sleep(0.005)
    return Timeline(appeared, time.monotonic() - start)
