"""Numbers of a run in progress: cases done, rates, time left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from workflows.local import Node

SETTLING_SECONDS = 2.0
"""No rate is given before so many seconds: it would jump about."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How far something is.

    Attributes:
        rate: cases per second; None while nothing can be said.
        left: seconds; None while nothing can be said.
    """

    done: int
    total: int
    rate: float | None
    left: float | None


@dataclass(slots=True)
class Progress:
    """Follows the nodes of a fan-out.

    Attributes:
        samples: shard to its number of cases, once known.
        before: shard to the cases that were finished before this engine began.
    """

    samples: Mapping[str, int] = field(default_factory=dict)
    before: Mapping[str, int] = field(default_factory=dict)
    _first_seen: dict[tuple[str, int], tuple[float, int]] = field(default_factory=dict)

    def of_node(self, node: Node, now: float) -> Pace | None:
        """One node's pace since its attempt first spoke; None before."""
        if node.progress is None:
            return None
        done, total = node.progress
        since, at_first = self._first_seen.setdefault((node.name, node.attempts), (now, done))
        return pace(done, total, done - at_first, now - since)

    def overall(self, nodes: Sequence[Node], now: float) -> Pace:
        """All shards' pace since the first of these nodes was started."""
        finished = dict(self.before)
        for node in nodes:
            if node.item is not None and (node.progress is not None or node.status == "Succeeded"):
                finished[node.item] = self._finished(node)
        started = [node.first_started for node in nodes if node.attempts]
        done, total = sum(finished.values()), sum(self.samples.values())
        elapsed = now - min(started) if started else 0.0
        return pace(done, total, done - sum(self.before.values()), elapsed)

    def _finished(self, node: Node) -> int:
        item = node.item or ""
        if node.status == "Succeeded":
            return self.samples.get(item, 0)
        done = node.progress[0] if node.progress else 0
        return max(done, self.before.get(item, 0))


def duration(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min 20 s``, ``5 h 7 min``."""
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def rate(cases_per_second: float) -> str:
    """``120/s``, ``3.4/s``, ``12/min``: cases in the unit that gives a readable figure."""
    if cases_per_second >= 10:
        return f"{cases_per_second:.0f}/s"
    if cases_per_second >= 1:
        return f"{cases_per_second:.1f}/s"
    return f"{cases_per_second * 60:.3g}/min"


def pace(done: int, total: int, newly: int, elapsed: float) -> Pace:
    """The pace of something of which ``newly`` cases were done in ``elapsed`` seconds."""
    if elapsed < SETTLING_SECONDS or newly <= 0:
        return Pace(done, total, None, None)
    per_second = newly / elapsed
    return Pace(done, total, per_second, max(total - done, 0) / per_second)
