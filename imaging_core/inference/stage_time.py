"""How long the stages of the pipeline worked and waited. Torch-free, since what prints it reads it from a file."""

from collections.abc import Mapping
from dataclasses import dataclass

_COMPUTING = ("decode", "compute", "finish")
_TOO_LONG = 0.1


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


def waits_for_store(times: Mapping[str, StageTime]) -> bool:
    """Whether one thread that does these stages in turn spends a tenth of its time waiting to get or to write files.

    For a processor fetching waits, too, as much as the others do, which only compute. Finishing waits where what it
    made is not written yet.
    """
    fetch, computing = times["fetch"], [times[name] for name in _COMPUTING]
    busy, cpu = sum(each.busy_seconds for each in computing), sum(each.cpu_seconds for each in computing)
    waited = fetch.busy_seconds - fetch.cpu_seconds * max(1.0, busy / cpu if cpu else 1.0)
    waited += times["finish"].wait_seconds
    return waited > _TOO_LONG * (fetch.busy_seconds + busy + times["finish"].wait_seconds)


def count_as_waiting(times: Mapping[str, StageTime]) -> None:
    """Of one thread that did these stages in turn: while it is at one, the others wait."""
    in_turn = [times["fetch"], *(times[name] for name in _COMPUTING)]
    total = sum(each.busy_seconds for each in in_turn)
    for each in in_turn:
        each.wait_seconds = total - each.busy_seconds


def add_times(total: dict[str, StageTime], more: Mapping[str, StageTime]) -> None:
    """Add the times of another pipeline, which ran before or after, or in another process, to ``total``."""
    for name, each in more.items():
        sum_of = total.setdefault(name, StageTime())
        sum_of.threads = max(sum_of.threads, each.threads)
        sum_of.busy_seconds += each.busy_seconds
        sum_of.wait_seconds += each.wait_seconds
        sum_of.cpu_seconds += each.cpu_seconds
