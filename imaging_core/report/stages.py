"""Which stage of the pipeline limits: the share of time that each works and waits, from the shards' ``timing.json``."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from imaging_core.report.timings import read_timing
from imaging_core.store import Store

_ADVICE = {
    "fetch": "the store is slower than the rest; more shards at once read from it in parallel",
    "decode": "more --threads-per-step decode on more cores; a model packed with --decode reduced decodes JPEGs faster",
    "compute": "the model takes the time; a GPU, or more shards at once, make it shorter",
    "finish": "scoring and writing results take the time; more --threads-per-step do it on more cores",
}


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage's time in seconds, added up over its threads, of one shard or of several.

    Attributes:
        threads: of the stage in one shard.
        busy: at work.
        wait: for another stage, or for the device.
        cpu: on a processor. Less than ``busy`` where threads stand in line for a core, or wait for the store.
    """

    name: str
    threads: int
    busy: float
    wait: float
    cpu: float

    @property
    def work_share(self) -> float:
        """Between 0 and 1."""
        return self.busy / (self.busy + self.wait) if self.busy + self.wait else 0.0

    @property
    def cpu_share(self) -> float:
        """Between 0 and 1."""
        return self.cpu / (self.busy + self.wait) if self.busy + self.wait else 0.0


def read_stages(store: Store, shards: Iterable[str]) -> list[Stage]:
    """The stages of all shards that have a ``timing.json``, added up."""
    total: dict[str, Stage] = {}
    for shard in shards:
        for stage in stages_of(read_timing(store, shard)):
            before = total.get(stage.name, replace(stage, busy=0.0, wait=0.0, cpu=0.0))
            total[stage.name] = replace(
                stage,
                threads=max(stage.threads, before.threads),
                busy=stage.busy + before.busy,
                wait=stage.wait + before.wait,
                cpu=stage.cpu + before.cpu,
            )
    return list(total.values())


def stages_of(timing: Mapping[str, Any]) -> list[Stage]:
    """The stages of one ``timing.json``, in the order of the pipeline; empty when it says nothing of them."""
    found = timing.get("stages")
    if not isinstance(found, Mapping):
        return []
    try:
        return [
            Stage(
                name,
                int(found[name]["threads"]),
                float(found[name]["busy_seconds"]),
                float(found[name]["wait_seconds"]),
                float(found[name]["cpu_seconds"]),
            )
            for name in _ADVICE
            if name in found
        ]
    except (KeyError, TypeError, ValueError):
        return []


def profile(stages: Sequence[Stage]) -> list[str]:
    """A table for a person, and a line that names the stage that limits and what helps."""
    if not stages:
        return ["profile: nothing was inferred, so there are no times"]
    lines = [f"{'stage':<9}{'threads':>8}{'works':>8}{'on CPU':>8}{'waits':>8}"]
    lines += [
        f"{each.name:<9}{each.threads:>8}{each.work_share:>8.0%}{each.cpu_share:>8.0%}{1 - each.work_share:>8.0%}"
        for each in stages
    ]
    slowest = max(stages, key=lambda each: each.work_share)
    return [*lines, f"{slowest.name} limits: it works {slowest.work_share:.0%} of the time; {_ADVICE[slowest.name]}"]
