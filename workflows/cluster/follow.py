"""Follows a workflow to its end: a calm live region on a terminal, else a line now and then."""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from imaging_core.errors import (
    EXIT_DONE,
    EXIT_NOT_ACCEPTABLE,
    EXIT_TEMPORARY,
    ConfigurationError,
    InferenceError,
    MissingError,
)
from imaging_core.store import Location, open_store
from workflows.cluster.api import WorkflowApi
from workflows.cluster.nodes import StepNode, WorkflowState, read_workflow
from workflows.cluster.waits import explained, hopeless
from workflows.display import MOST_LINES, failed_with, pace_bar
from workflows.exit_codes import of_failed
from workflows.options import OWN_COMMAND
from workflows.progress import Pace, duration, pace, rate
from workflows.state import shard_samples

POLL_SECONDS = 2.0
LINE_SECONDS = 15.0
HOPELESS_SECONDS = 45.0
"""How long a step may wait for what waiting does not mend: Kubernetes may not have seen a new secret yet."""
UNSEEN_SECONDS = 30.0
"""A workflow that Argo's controller has not looked at for so long says that there is none at work."""
LONGEST_MESSAGE = 200


class WaitedError(InferenceError):
    """The workflow had not ended in the time that was given for waiting."""

    exit_code = EXIT_TEMPORARY


class GoneError(MissingError):
    """The workflow was removed while it was watched."""


def follow(
    api: WorkflowApi, name: str, console: Console, *, quiet: bool = False, timeout: float | None = None
) -> WorkflowState:
    """Show how a workflow gets on until it has ended; whatever connection breaks meanwhile is made anew.

    Args:
        api: asked every few seconds.
        name: of the workflow.
        console: where to.
        quiet: whether nothing is shown.
        timeout: seconds to wait at most; None for as long as it takes.

    Raises:
        WaitedError: the time was over.
        GoneError: it was removed meanwhile: how it ended is not known here, what it wrote stays.
        ConfigurationError: a step waits for what will not come; the workflow goes on waiting.
        InferenceError: the cluster does not answer, or there is no such workflow.
    """
    try:
        with View(console, quiet=quiet) as view:
            return _followed(api, name, view, timeout)
    except KeyboardInterrupt:
        again = f"{OWN_COMMAND} watch {name} -n {api.namespace}"
        console.print(
            f"Watching has ended; the workflow goes on. Watch it again: {again}", markup=False, soft_wrap=True
        )
        raise


def _followed(api: WorkflowApi, name: str, view: "View", timeout: float | None) -> WorkflowState:
    deadline = None if timeout is None else time.monotonic() + timeout
    hopeless_since, state = float("inf"), None
    while True:
        try:
            workflow = api.get(name)
        except MissingError as error:
            if state is None:
                raise
            raise GoneError(_removed(state)) from error
        state = explained(api, read_workflow(workflow))
        view.show(state)
        if state.finished:
            return state
        now, stuck = time.monotonic(), _stuck(state)
        hopeless_since = min(hopeless_since, now) if stuck else float("inf")
        if stuck and now - hopeless_since > HOPELESS_SECONDS:
            raise ConfigurationError(f"workflow {name}: {stuck}; then: {OWN_COMMAND} stop {name} -n {api.namespace}")
        if deadline is not None and now + POLL_SECONDS > deadline:
            raise WaitedError(f"workflow {name}: has not ended after {timeout:.0f} s ({where(state)}); it goes on")
        time.sleep(POLL_SECONDS)


def _removed(state: WorkflowState) -> str:
    run = Location.parse(state.parameters["run"]).for_person()
    return (
        f"workflow {state.name}: was removed while it was watched, by somebody or, when it had ended, by Argo's "
        f"retention policy; seen last: {where(state)}. What it wrote stays: {OWN_COMMAND} report {run} says the "
        f"verdict when there is one, {OWN_COMMAND} status {run} how far it came"
    )


def _stuck(state: WorkflowState) -> str | None:
    """What a step waits for in vain, and the fix; None while waiting may help."""
    for node in state.nodes:
        if node.state == "waiting" and (fix := hopeless(node.message)):
            return f"{node.name} waits in vain{_because(node.message)}; {fix}"
    return None


def exit_code(state: WorkflowState) -> int:
    """The exit code that a workflow which has ended means, as ``run`` would have ended."""
    if state.phase == "Succeeded":
        return EXIT_DONE
    failed = [node for node in state.nodes if node.phase in ("Failed", "Error")]
    codes = [EXIT_NOT_ACCEPTABLE if node.exit_code is None else node.exit_code for node in failed]
    return of_failed(codes) if codes and not state.shutdown else EXIT_NOT_ACCEPTABLE


def where(state: WorkflowState) -> str:
    """In a few words what a workflow is doing: ``gather is running``, ``infer: 3 of 8 shards ended``."""
    if not state.phase:
        return "Argo's controller has not looked at it yet"
    shards = state.step("infer")
    if shards and any(node.state != "ended" for node in shards):
        return f"infer: {sum(node.state == 'ended' for node in shards)} of {state.shard_count} shards ended"
    last = state.nodes[-1] if state.nodes else None
    return state.phase if last is None else f"{last.name}: {doing(last)}"


def doing(node: StepNode) -> str:
    """What a step is doing, why it waits, or how it ended."""
    again = f", attempt {node.attempts} after{_because(node.before)}" if node.attempts > 1 else ""
    if node.state == "waiting":
        return f"waiting{again}{_because(node.message)}"
    if node.phase == "Running":
        return f"running{again}"
    if node.phase == "Succeeded":
        counts = [f"{value} {key}" for key in ("done", "failed") if (value := node.outputs.get(key))]
        figure = [node.outputs["metric"]] if node.outputs.get("metric") else []
        took = (
            f"done in {duration((node.ended - node.started).total_seconds())}"
            if node.ended and node.started
            else "done"
        )
        return ", ".join([took, *(f"{each}" for each in counts), *figure])
    if node.exit_code:
        return failed_with(node.exit_code) + (f" after {node.attempts} attempts" if node.attempts > 1 else "")
    return f"{node.phase}{_because(node.message)}"


def _because(message: str) -> str:
    short = " ".join(message.split())
    return f": {short[:LONGEST_MESSAGE]}{'…' if len(short) > LONGEST_MESSAGE else ''}" if short else ""


@dataclass(slots=True)
class View:
    """What is shown of one workflow while it gets on."""

    console: Console
    quiet: bool
    _live: Live | None = None
    _said: dict[str, str] = field(default_factory=dict)
    _first: dict[str, tuple[float, int]] = field(default_factory=dict)
    _samples: Mapping[str, int] = field(default_factory=dict)
    _reader: threading.Thread | None = None
    _next_line: float = 0.0

    def __enter__(self) -> "View":
        if self.console.is_terminal and not self.console.is_dumb_terminal and not self.quiet:
            self._live = Live(console=self.console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, state: WorkflowState) -> None:
        """Show the state: steps that have ended as lines, the others in the live region."""
        if self.quiet:
            return
        now = time.monotonic()
        self._look_up(state)
        for node in state.nodes:
            words = doing(node)
            if self._worth_a_line(node, len(state.step(node.step))) and self._said.get(node.name) != words:
                self._said[node.name] = words
                self._print(f"{node.name}: {words}", "red" if node.phase in ("Failed", "Error") else "")
        if self._live:
            self._live.update(self._region(state, now), refresh=True)
        elif now >= self._next_line and not state.finished:
            self._next_line = now + LINE_SECONDS
            self._print(self._overall_line(state, now), "")

    def _worth_a_line(self, node: StepNode, alike: int) -> bool:
        if node.phase == "Succeeded":
            return alike <= MOST_LINES
        if node.phase in ("Failed", "Error"):
            return sum(each not in ("", None) for each in self._said) <= MOST_LINES * 2
        return self._live is None and node.state == "waiting" and bool(node.message) and alike <= MOST_LINES

    def _print(self, line: str, style: str) -> None:
        self.console.print(Text(line, style=style), soft_wrap=True)

    def _look_up(self, state: WorkflowState) -> None:
        """How many cases each shard has, from the run itself, when this machine may read it.

        On the side: a store that is away for a while is asked for long, and the view is to go on.
        """
        if self._reader is None and state.step("infer") and "run" in state.parameters:
            self._reader = threading.Thread(target=self._read_samples, args=(state.parameters["run"],), daemon=True)
            self._reader.start()

    def _read_samples(self, run: str) -> None:
        with suppress(InferenceError):
            self._samples = shard_samples(open_store(Location.parse(run)))

    def _region(self, state: WorkflowState, now: float) -> RenderableType:
        grid = Table.grid(padding=(0, 2))
        active = [node for node in state.nodes if node.state != "ended"]
        shown = sorted(active, key=lambda node: node.state != "running")[:MOST_LINES]
        for node in shown:
            if found := self._of_node(node, now):
                grid.add_row(node.name, *pace_bar(found))
            else:
                grid.add_row(node.name, Text(doing(node), style="dim"))
        shards = state.step("infer")
        if shards:
            grid.add_row("all shards", *pace_bar(self._overall(state, now)))
        rows: list[RenderableType] = [Text(f"{state.name}  {self._phase(state)}", style="bold"), grid]
        if len(active) > len(shown):
            rows.append(Text(f"and {len(active) - len(shown)} more", style="dim"))
        if shards:
            rows.append(Text(f"shards: {shards_in_words(state)}", style="dim"))
        return Group(*rows)

    def _phase(self, state: WorkflowState) -> str:
        if state.phase:
            return f"{state.phase}{_because(state.message)}"
        age = time.time() - state.created.timestamp() if state.created else 0.0
        return "waiting for Argo's controller" + ("; is it running?" if age > UNSEEN_SECONDS else "")

    def _of_node(self, node: StepNode, now: float) -> Pace | None:
        if node.progress is None:
            return None
        done, total = node.progress
        since, at_first = self._first.setdefault(f"{node.name}, {node.attempts}", (now, done))
        return pace(done, total, done - at_first, now - since)

    def _overall(self, state: WorkflowState, now: float) -> Pace:
        shards = state.step("infer")
        done = sum(self._finished(node) for node in shards)
        total = sum(self._samples.values()) or sum(node.progress[1] for node in shards if node.progress)
        since, at_first = self._first.setdefault("", (now, done))
        return pace(done, total, done - at_first, now - since)

    def _finished(self, node: StepNode) -> int:
        if node.phase == "Succeeded" and node.outputs.get("done", "").isdigit():
            return sum(int(node.outputs[name]) for name in ("done", "failed"))
        return node.progress[0] if node.progress else 0

    def _overall_line(self, state: WorkflowState, now: float) -> str:
        if not state.step("infer"):
            return f"{self._phase(state)}; {where(state)}" if state.phase else self._phase(state)
        found = self._overall(state, now)
        parts = [f"{found.done} of {found.total} cases" if found.total else f"{found.done} cases"]
        parts.append(f"shards: {shards_in_words(state)}")
        parts += [rate(found.rate)] if found.rate is not None else []
        parts += [f"{duration(found.left)} left"] if found.left else []
        return "; ".join(parts)


def shards_in_words(state: WorkflowState) -> str:
    """``3 of 8 ended, 2 at work, 3 waiting``."""
    shards = state.step("infer")
    ended, at_work = (sum(node.state == wanted for node in shards) for wanted in ("ended", "running"))
    waiting = state.shard_count - ended - at_work
    return f"{ended} of {state.shard_count} ended, {at_work} at work, {waiting} waiting"
