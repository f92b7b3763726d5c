"""A node: one instance of a task, with what became of it so far."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from workflows.local.depends import Status
from workflows.local.plan import Step

State = Literal["waiting", "running", "ended"]


@dataclass(slots=True)
class Node:
    """One instance of a task. Times are those of ``time.monotonic``, in seconds.

    Attributes:
        task: the task's name.
        item: for a task with ``withParam``, this node's item; it names the node.
        inputs: values of the step's input parameters.
        log: the file that holds its output.
        attempts: how many were begun.
        ready: when the next one may begin.
        exit_code: of the last attempt, 128 + n after signal n; None before it has ended.
        progress: cases done and expected, as the step says; None before it has said anything.
        outputs: values of the step's output parameters.
    """

    task: str
    item: str | None
    step: Step
    inputs: dict[str, str]
    log: Path
    state: State = "waiting"
    attempts: int = 0
    ready: float = 0.0
    first_started: float = 0.0
    started: float = 0.0
    ended: float = 0.0
    status: Status | None = None
    exit_code: int | None = None
    progress: tuple[int, int] | None = None
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``infer-000``: unique in a run, and good for a file name."""
        return node_name(self.task, self.item)


def node_name(task: str, item: str | None) -> str:
    """The name of a task's node."""
    return task if item is None else f"{task}-{item}"
