"""From the command line of ``run`` to what the engine is to do: a new run, or the rest of one that was begun."""

import argparse
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from imaging_core import run
from imaging_core.errors import DataError, UsageError
from imaging_core.store import Location, open_store
from imaging_core.store.base import Store
from workflows import options
from workflows.checks import Inputs, check_inputs
from workflows.local import machine
from workflows.parameters import Parameters, option
from workflows.pods import Pods
from workflows.run_record import RunRecord
from workflows.state import RunState, read_state

RUNS = "runs"

# May differ from what run.json says: when and how often work is done, and how its result is judged, not what is done.
CHANGEABLE = {
    *("parallelism", "retry_failed", "cache"),
    *("max_failed", "require", "no_regression", "patient", "group_by", "metric", "price_per_hour"),
}


@dataclass(frozen=True, slots=True)
class Request:
    """What the engine is to do.

    Attributes:
        state: how far the run is already; None for a new one.
        missing: the shards to infer; None when the split is still to be made.
        gpus: those that steps may use.
    """

    parameters: Parameters
    inputs: Inputs
    store: Store
    state: RunState | None
    missing: Sequence[str] | None
    gpus: Sequence[str]

    @property
    def resume(self) -> str:
        """The command that continues this run."""
        return f"{options.OWN_COMMAND} run --resume {shlex.quote(self.store.root.for_person())}"


def new_run(arguments: argparse.Namespace) -> Request:
    """Check a new run's parameters and inputs, and write its ``run.json``.

    Raises:
        UsageError: an option is missing, or the run's location already holds a run.
        DataError: the dataset or the model cannot be used.
    """
    given = options.given(arguments)
    if absent := [option(name) for name in ("dataset", "model") if name not in given]:
        raise UsageError(f"{' and '.join(absent)} missing; or continue a run that was begun: --resume RUN")
    if "retry_failed" in given:
        raise UsageError("--retry-failed goes with --resume RUN: in a new run nothing has failed yet")
    given.setdefault("run", str(default_run(given["dataset"])))
    gpus = _gpus(given.get("device", "auto"))
    given.setdefault("parallelism", _parallelism(given, gpus))
    given.setdefault("shards", given["parallelism"])
    parameters = Parameters(**given)
    store = unused_store(parameters, "--resume")
    inputs = check_inputs(parameters)
    record_run(store, parameters, inputs)
    return Request(parameters, inputs, store, None, None, gpus)


def unused_store(parameters: Parameters, resume: str) -> Store:
    """Where a new run goes.

    Raises:
        UsageError: a run lies there already; ``resume`` is the command that continues one.
    """
    store = open_store(Location.parse(parameters.run))
    if store.exists(run.RUN) or store.exists(run.SHARD_INDEX):
        where = store.root.for_person()
        raise UsageError(
            f"{where}: holds a run already; continue it with {resume} {shlex.quote(where)}, or choose another --run"
        )
    return store


def record_run(store: Store, parameters: Parameters, inputs: Inputs, pods: Pods | None = None) -> None:
    """Write a new run's ``run.json``; UsageError when another run did so at the same moment."""
    record = RunRecord.now(parameters, inputs.dataset.sha256, inputs.model.sha256, pods)
    record.write(store)
    if not record.is_written(store):
        raise UsageError(f"{store.root.for_person()}: another run began here at this moment; choose another --run")


def resumed_run(arguments: argparse.Namespace) -> Request:
    """Read what a run was asked to do and how far it is.

    Raises:
        UsageError: an option contradicts ``run.json``.
        MissingError: there is no run.
        DataError: the dataset or the model is not the one that the run was begun with.
    """
    store = open_store(Location.parse(arguments.resume))
    where = store.root.for_person()
    state = read_state(store)
    if state.record is None:
        raise DataError(
            f"{where}: has no {run.RUN}, so its steps were called by hand (or an earlier version's WorkflowTemplate "
            "began it); do the same again: with this run it does only what is missing"
        )
    given = options.given(arguments)
    recorded = replace(state.record.parameters, run=str(store.root), retry_failed=False)
    for name, value in given.items():
        if name not in CHANGEABLE and getattr(recorded, name) != value:
            raise UsageError(
                f"{option(name)} {_shown(value)} contradicts {where}, which was begun with "
                f"{_shown(getattr(recorded, name))}; leave the option out, or begin a new run"
            )
    parameters = replace(recorded, **{name: value for name, value in given.items() if name in CHANGEABLE})
    inputs = check_inputs(parameters)
    for kind, now, then in (
        ("dataset", inputs.dataset, state.record.dataset),
        ("model", inputs.model, state.record.model),
    ):
        if then and now.sha256 != then:
            raise DataError(
                f"{now.location}: the {kind} has changed since the run began (SHA-256 {then[:12]}…, now "
                f"{now.sha256[:12]}…); restore it, or begin a new run"
            )
    missing = state.to_do(retry_failed=parameters.retry_failed)
    return Request(parameters, inputs, store, state, missing, _gpus(parameters.device))


def default_run(dataset: str) -> Location:
    """``runs/<dataset's name>-<time>`` in the working folder."""
    stem = Location.parse(dataset).name.rpartition(".")[0] or Location.parse(dataset).name
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-.") or "dataset"
    return Location.parse(f"{RUNS}/{name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")


def _gpus(device: str) -> list[str]:
    return [] if device == "cpu" else machine.gpus()


def _parallelism(given: dict[str, Any], gpus: Sequence[str]) -> int:
    if gpus or given.get("device") == "cuda":
        return max(1, len(gpus))
    return max(1, machine.usable_cores() // int(given.get("threads_per_step", 1)))


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return (
        {True: "on", False: "off", None: "none"}.get(value, str(value))
        if isinstance(value, bool | None)
        else str(value)
    )
