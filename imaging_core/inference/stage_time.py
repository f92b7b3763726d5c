"""How long the stages of the pipeline worked and waited. Torch-free, since what prints it reads it from a file."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(slots=True)
class StageTime:
    """How the threads of one stage spent their time.

    Attributes:
        threads: how many there are at once.
        busy_seconds: at work, added up over the threads.
        wait_seconds: waiting for another stage or for the device, added up over the threads.
        cpu_seconds: on a processor: what is missing to ``busy_seconds`` was spent in line for one, or for a store.
    """

    threads: int = 0
    busy_seconds: float = 0.0
    wait_seconds: float = 0.0
    cpu_seconds: float = 0.0

    @property
    def work_share(self) -> float:
        """The share of its time in which it works, between 0 and 1."""
        return self._share(self.busy_seconds)

    @property
    def cpu_share(self) -> float:
        """The share of its time that it spends on a processor, between 0 and 1."""
        return self._share(self.cpu_seconds)

    def _share(self, seconds: float) -> float:
        total = self.busy_seconds + self.wait_seconds
        return seconds / total if total else 0.0


def add_times(total: dict[str, StageTime], more: Mapping[str, StageTime]) -> None:
    """Add the times of another pipeline, which ran before or after, or in another process, to ``total``."""
    for name, each in more.items():
        sum_of = total.setdefault(name, StageTime())
        sum_of.threads = max(sum_of.threads, each.threads)
        sum_of.busy_seconds += each.busy_seconds
        sum_of.wait_seconds += each.wait_seconds
        sum_of.cpu_seconds += each.cpu_seconds
