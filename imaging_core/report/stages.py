"""Which stage of the pipeline limits: the share of time that each works and waits, from the shards' ``timing.json``."""

from collections.abc import Iterable, Mapping
from typing import Any

from imaging_core.inference.stage_time import StageTime, add_times
from imaging_core.report.timings import read_timing
from imaging_core.store import Store

_ADVICE = {
    "fetch": "the store is slower than the rest; more shards at once read from it in parallel",
    "decode": "more --threads-per-step decode on more cores; a model packed with --decode reduced decodes JPEGs faster",
    "compute": "the model takes the time; a GPU, or more shards at once, make it shorter",
    "finish": "scoring and writing results take the time; more --threads-per-step do it on more cores",
    "write": "the store takes results more slowly than they are made; more shards at once write to it in parallel",
}


def read_stages(store: Store, shards: Iterable[str]) -> dict[str, StageTime]:
    """The stages of all shards that have a ``timing.json``, added up, in the order of the pipeline."""
    total: dict[str, StageTime] = {}
    for shard in shards:
        add_times(total, _stages_of(read_timing(store, shard)))
    return total


def _stages_of(timing: Mapping[str, Any]) -> dict[str, StageTime]:
    """Empty when the file says nothing of stages."""
    found = timing.get("stages")
    if not isinstance(found, Mapping):
        return {}
    try:
        return {
            name: StageTime(
                int(found[name]["threads"]),
                float(found[name]["busy_seconds"]),
                float(found[name]["wait_seconds"]),
                float(found[name]["cpu_seconds"]),
            )
            for name in _ADVICE
            if name in found
        }
    except (KeyError, TypeError, ValueError):
        return {}


def profile(stages: Mapping[str, StageTime]) -> list[str]:
    """A table for a person, and a line that names the stage that limits and what helps."""
    if not stages:
        return ["profile: nothing was inferred, so there are no times"]
    lines = [f"{'stage':<9}{'threads':>8}{'works':>8}{'on CPU':>8}{'waits':>8}"]
    lines += [
        f"{name:<9}{each.threads:>8}{each.work_share:>8.0%}{each.cpu_share:>8.0%}{1 - each.work_share:>8.0%}"
        for name, each in stages.items()
    ]
    slowest = max(stages, key=lambda name: stages[name].work_share)
    share = stages[slowest].work_share
    return [*lines, f"{slowest} limits: it works {share:.0%} of the time; {_ADVICE[slowest]}"]
