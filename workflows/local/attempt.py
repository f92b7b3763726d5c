"""One attempt at a node: its command as Argo would render it, with this machine's paths and variables."""

import os
import posixpath
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from workflows.local.node import Node
from workflows.local.process import StepProcess
from workflows.local.templating import render

PROJECT = Path(__file__).parents[2]
"""The folder that steps are imported from."""

_PROGRESS = re.compile(r"(\d+)/(\d+)\s*")


@dataclass(frozen=True, slots=True)
class Attempt:
    """A running step.

    Attributes:
        slot: the place that it takes among those that run at the same time, counted from 0.
        folder: for its progress and output parameters; nobody else uses it.
    """

    node: Node
    slot: int
    folder: Path
    process: StepProcess

    def progress(self) -> tuple[int, int] | None:
        """Cases done and expected, as the step last wrote them; None where it wrote nothing readable."""
        try:
            said = _PROGRESS.fullmatch(_progress_file(self.folder).read_text())
        except (OSError, UnicodeDecodeError):
            return None
        return (int(said[1]), int(said[2])) if said else None

    def outputs(self) -> dict[str, str] | None:
        """The values of the output parameters; None, with a line in the log, when one was not written."""
        values = {}
        for parameter, output in self.node.step.outputs.items():
            try:
                values[parameter] = _here(self.folder, output.path).read_text().rstrip("\n")
            except (OSError, UnicodeDecodeError):
                if output.default is None:
                    with self.node.log.open("ab") as log:
                        log.write(f"error: the step did not write {output.path}, its output {parameter}\n".encode())
                    return None
                values[parameter] = output.default
        return values


def begin(node: Node, parameters: Mapping[str, str], folder: Path, slot: int, gpu: str | None) -> Attempt:
    """Start the node's step.

    Args:
        node: what to start; its log is appended to.
        parameters: those of the workflow.
        folder: a new folder is made below it.
        slot: see :class:`Attempt`.
        gpu: the GPU that the step may see; None leaves the environment's own choice.
    """
    folder = folder / f"{node.name}-{node.attempts}"
    folder.mkdir()
    values = {f"workflow.parameters.{name}": value for name, value in parameters.items()}
    values |= {f"inputs.parameters.{name}": value for name, value in node.inputs.items()}
    where = f"template {node.step.name}"
    command = [render(text, values, where) for text in (*node.step.command, *node.step.args)]
    paths = {output.path for output in node.step.outputs.values()}
    for path in {posixpath.dirname(path) for path in paths}:
        _here(folder, path).mkdir(parents=True)
    mapped = paths | {posixpath.dirname(path) for path in paths}
    command = [str(_here(folder, text)) if text in mapped else text for text in command]
    environment = os.environ | {name: render(text, values, where) for name, text in node.step.environment.items()}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    environment["ARGO_PROGRESS_FILE"] = str(_progress_file(folder))
    if gpu is not None:
        environment["CUDA_VISIBLE_DEVICES"] = gpu
    with node.log.open("ab") as log:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        log.write(f"--- {now} {node.name}, attempt {node.attempts}: {shlex.join(command)}\n".encode())
        log.flush()
        return Attempt(node, slot, folder, StepProcess(command, environment, log))


def _progress_file(folder: Path) -> Path:
    return folder / "progress"


def _here(folder: Path, path: str) -> Path:
    """Where a path of the pod, an output or the folder of some, lies on this machine."""
    return folder / "outputs" / path.lstrip("/")
