"""Walks a plan: starts what may start, collects what has ended, tries again what is worth it, cleans up."""

import json
import re
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from imaging_core.errors import DataError
from workflows.local.attempt import Attempt, begin
from workflows.local.depends import Status
from workflows.local.machine import usable_cores
from workflows.local.node import Node, node_name
from workflows.local.plan import Plan, Task
from workflows.local.stop import StopRequests
from workflows.local.templating import render

POLL_SECONDS = 0.05
GRACE_SECONDS = 9.0
"""How long a step may take to end after SIGTERM, before SIGKILL: more than it needs, so that all of it takes 10."""

_ITEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Observer(Protocol):
    """Is told what happens. Nodes are the engine's own; an observer only reads them."""

    def started(self, node: Node) -> None:
        """An attempt has begun."""
        ...

    def retrying(self, node: Node, wait: float) -> None:
        """An attempt has failed; the next begins in ``wait`` seconds."""
        ...

    def ended(self, node: Node) -> None:
        """The node's last attempt has ended."""
        ...

    def stopping(self, running: int) -> None:
        """A stop was asked for; so many steps have been sent SIGTERM."""
        ...

    def tick(self, nodes: Sequence[Node]) -> None:
        """Called some twenty times a second."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a workflow ended.

    Attributes:
        nodes: all of them, in the order in which they came to be.
        results: task to its status; a task that could not start is Omitted.
        stopped: the signal that ended it early.
    """

    nodes: Sequence[Node]
    results: dict[str, Status]
    stopped: signal.Signals | None


class Engine:
    """Runs one plan, from the main thread.

    Args:
        plan: what to run.
        logs: folder for one log file per node; made when missing.
        observer: is told what happens.
        gpus: names for ``CUDA_VISIBLE_DEVICES``, one for each slot in turn; empty leaves the variable alone.
    """

    def __init__(self, plan: Plan, logs: Path, observer: Observer, gpus: Sequence[str] = ()) -> None:
        self._plan = plan
        self._logs = logs
        self._observer = observer
        self._gpus = gpus
        self._slots = plan.parallelism or usable_cores()
        self._nodes: dict[str, list[Node]] = {}
        self._results: dict[str, Status] = {}
        self._running: dict[str, Attempt] = {}

    def run(self) -> Outcome:
        """Run it to its end, or until SIGINT or SIGTERM arrives. No process outlives this call.

        Raises:
            DataError: a ``withParam`` gives something other than a list of names.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="workflow-") as folder, StopRequests() as stop:
            try:
                while len(self._results) < len(self._plan.tasks) and stop.first is None:
                    self._settle_tasks()
                    self._start_nodes(Path(folder))
                    self._observer.tick(self._all())
                    time.sleep(POLL_SECONDS)
                    self._collect()
            finally:
                self._end_running(stop)
            ended = len(self._results) == len(self._plan.tasks)
            return Outcome(self._all(), dict(self._results), None if ended else stop.first)

    def _all(self) -> list[Node]:
        return [node for nodes in self._nodes.values() for node in nodes]

    def _settle_tasks(self) -> None:
        """Make the nodes of tasks whose turn it is, and note how tasks ended."""
        for task in self._plan.tasks:
            if task.name in self._results:
                continue
            if task.name in self._nodes:
                self._note_result(task.name)
            elif all(name in self._results for name in task.accepts):
                accepted = (self._results[name] in statuses for name, statuses in task.accepts.items())
                if task.accepts and not any(accepted):
                    self._results[task.name] = "Omitted"
                else:
                    self._nodes[task.name] = self._new_nodes(task)

    def _note_result(self, task: str) -> None:
        if any(node.state != "ended" for node in self._nodes[task]):
            return
        statuses = {node.status for node in self._nodes[task]}
        self._results[task] = "Error" if "Error" in statuses else "Failed" if "Failed" in statuses else "Succeeded"

    def _new_nodes(self, task: Task) -> list[Node]:
        values = {f"workflow.parameters.{name}": value for name, value in self._plan.parameters.items()}
        for name in task.accepts:
            for node in self._nodes.get(name, ()):
                values |= {f"tasks.{name}.outputs.parameters.{key}": value for key, value in node.outputs.items()}
        where = f"task {task.name}"
        items: list[str | None] = [None]
        if task.with_param is not None:
            items = [*_items(render(task.with_param, values, where), where)]
        nodes = []
        for item in items:
            known = values if item is None else values | {"item": item}
            inputs = {name: value for name, value in task.step.inputs.items() if value is not None}
            inputs |= {name: render(text, known, where) for name, text in task.arguments.items()}
            log = self._logs / f"{node_name(task.name, item)}.log"
            nodes.append(Node(task.name, item, task.step, inputs, log))
        return nodes

    def _start_nodes(self, folder: Path) -> None:
        free = sorted(set(range(self._slots)) - {attempt.slot for attempt in self._running.values()}, reverse=True)
        now = time.monotonic()
        for node in self._all():
            if not free:
                return
            if node.state == "waiting" and node.ready <= now:
                slot = free.pop()
                node.attempts += 1
                node.state = "running"
                node.started = now
                node.first_started = node.first_started or now
                gpu = self._gpus[slot % len(self._gpus)] if self._gpus else None
                self._running[node.name] = begin(node, self._plan.parameters, folder, slot, gpu)
                self._observer.started(node)

    def _collect(self) -> None:
        for attempt in list(self._running.values()):
            exit_code = attempt.process.poll()
            attempt.node.progress = attempt.progress() or attempt.node.progress
            if exit_code is not None:
                del self._running[attempt.node.name]
                self._end_attempt(attempt, exit_code)

    def _end_attempt(self, attempt: Attempt, exit_code: int) -> None:
        node = attempt.node
        node.exit_code, node.ended = exit_code, time.monotonic()
        outputs = None if exit_code else attempt.outputs()
        status: Status = "Failed" if exit_code else "Error" if outputs is None else "Succeeded"
        wait = None
        if outputs is not None:
            node.outputs = outputs
        elif node.step.retry is not None:
            wait = node.step.retry.wait_after(node.attempts, status, exit_code, node.ended - node.first_started)
        if wait is None:
            node.state, node.status = "ended", status
            self._observer.ended(node)
        else:
            node.state, node.ready = "waiting", node.ended + wait
            self._observer.retrying(node, wait)

    def _end_running(self, stop: StopRequests) -> None:
        """SIGTERM, then up to :data:`GRACE_SECONDS`, then SIGKILL; a second stop signal ends the waiting."""
        if not self._running:
            return
        self._observer.stopping(len(self._running))
        for attempt in self._running.values():
            attempt.process.send(signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        seen = stop.count
        while self._running:
            time.sleep(POLL_SECONDS)
            if time.monotonic() > deadline or stop.count > seen:
                for attempt in self._running.values():
                    attempt.process.send(signal.SIGKILL)
            self._running = {name: each for name, each in self._running.items() if each.process.poll() is None}


def _items(text: str, where: str) -> list[str]:
    """The items of a ``withParam``; they name nodes and log files."""
    try:
        items = json.loads(text)
    except ValueError as error:
        raise DataError(f"{where}: withParam is not JSON ({error})") from error
    if not isinstance(items, list) or not items:
        raise DataError(f"{where}: withParam is not a list of at least one item")
    for item in items:
        if not isinstance(item, str) or not _ITEM.fullmatch(item):
            raise DataError(f"{where}: the local engine takes plain names as items, not {item!r}")
    if len(set(items)) < len(items):
        raise DataError(f"{where}: withParam names an item twice")
    return items
