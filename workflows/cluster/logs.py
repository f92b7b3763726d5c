"""What steps have printed: from their pods while they are there, else from the bucket where Argo keeps it."""

import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from imaging_core.errors import InferenceError, MissingError
from imaging_core.store import Location, open_source
from workflows.cluster.api import WorkflowApi
from workflows.cluster.follow import POLL_SECONDS
from workflows.cluster.nodes import StepNode, WorkflowState, read_workflow

Wanted = Callable[[StepNode], bool]

_ARGOS = re.compile(r'time="[^"]+" level=\w+ msg=.* argo=true')
"""What Argo's own process in the main container says there."""


def kept_lines(api: WorkflowApi, state: WorkflowState, node: StepNode) -> Iterator[str]:
    """The lines of a step's last attempt.

    Raises:
        MissingError: neither its pod nor its kept log is there.
    """
    try:
        yield from _own(api.log(state.name, node.pod, follow=False))
    except MissingError:
        if node.log is None:
            raise MissingError(f"{node.name}: its pod is gone, and no log of it was kept") from None
        bucket = Location.parse(state.parameters["run"]).host
        text = open_source(Location.parse(f"s3://{bucket}/{node.log}")).bytes()
        yield from _own(text.decode(errors="replace").splitlines())


def _own(lines: Iterable[str]) -> Iterator[str]:
    return (line for line in lines if not _ARGOS.match(line))


def follow_lines(api: WorkflowApi, name: str, wanted: Wanted) -> Iterator[tuple[StepNode, str]]:
    """The lines of every wanted step as they come, until the workflow has ended.

    Args:
        api: asked for the pods' logs.
        name: of the workflow.
        wanted: which steps.
    """
    lines: queue.SimpleQueue[tuple[StepNode, str]] = queue.SimpleQueue()
    readers: dict[str, threading.Thread] = {}
    while True:
        state = read_workflow(api.get(name))
        for node in state.nodes:
            begun = node.phase in ("Running", "Succeeded", "Failed", "Error")
            if begun and node.attempts and wanted(node) and node.pod not in readers:
                readers[node.pod] = threading.Thread(target=_read, args=(api, state, node, lines), daemon=True)
                readers[node.pod].start()
        deadline = time.monotonic() + POLL_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            try:
                yield lines.get(timeout=left)
            except queue.Empty:
                break
        if state.finished and not any(reader.is_alive() for reader in readers.values()) and lines.empty():
            return


def _read(
    api: WorkflowApi, state: WorkflowState, node: StepNode, lines: "queue.SimpleQueue[tuple[StepNode, str]]"
) -> None:
    """Read one pod's log to its end; a connection that breaks is made anew, and goes on after what was said."""
    said = 0
    while True:
        try:
            for number, line in enumerate(_own(api.log(state.name, node.pod, follow=True))):
                if number >= said:
                    lines.put((node, line))
                    said += 1
            return
        except MissingError:
            _kept(api, state, node, said, lines)
            return
        except InferenceError as error:
            lines.put((node, f"({error}; trying again)"))
            time.sleep(POLL_SECONDS)


def _kept(
    api: WorkflowApi,
    state: WorkflowState,
    node: StepNode,
    said: int,
    lines: "queue.SimpleQueue[tuple[StepNode, str]]",
) -> None:
    try:
        for number, line in enumerate(kept_lines(api, state, node)):
            if number >= said:
                lines.put((node, line))
    except InferenceError as error:
        lines.put((node, f"({error})"))
