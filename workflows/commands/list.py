"""``list``: the runs of a namespace."""

import argparse
import json
import time
from typing import Any

from imaging_core.errors import EXIT_DONE
from workflows.cluster.connection import connect
from workflows.cluster.names import ARCHIVE, OURS
from workflows.cluster.nodes import WorkflowState, read_workflow
from workflows.commands.workflow_options import add_json, add_namespace
from workflows.options import OWN_COMMAND
from workflows.progress import duration

EPILOG = """\
example:
  %(prog)s -n imaging
"""


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``list`` to the command line."""
    parser = commands.add_parser(
        "list", help="list the workflows of a cluster's namespace", description="List our workflows.", epilog=EPILOG
    )
    add_namespace(parser)
    add_json(parser)
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Print one line per workflow, the newest first."""
    api = connect(arguments.namespace)
    found = [read_workflow(each) for each in api.list(OURS)]
    if arguments.json:
        print(json.dumps({"namespace": api.namespace, "workflows": [_summary(each) for each in found]}))
    elif not found:
        archive = "" if api.link("") else f" {ARCHIVE}."
        print(f"No workflows of ours in namespace {api.namespace}.{archive} Start one: {OWN_COMMAND} submit --help")
    else:
        print("\n".join(_table(found)))
    return EXIT_DONE


def _table(states: list[WorkflowState]) -> list[str]:
    rows = [("WORKFLOW", "PHASE", "AGE", "RUN")]
    rows += [(each.name, phase(each), _age(each), each.parameters.get("run", "")) for each in states]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows]


def phase(state: WorkflowState) -> str:
    """Argo's phase, or the stop that was asked for."""
    stopped = {"Stop": "Stopped", "Terminate": "Terminated"}.get(state.shutdown)
    return stopped if stopped and state.finished else state.phase or "Not seen yet"


def _age(state: WorkflowState) -> str:
    return duration(time.time() - state.created.timestamp()) if state.created else ""


def _summary(state: WorkflowState) -> dict[str, Any]:
    return {
        "name": state.name,
        "phase": state.phase,
        "shutdown": state.shutdown or None,
        "run": state.parameters.get("run"),
        "created": state.created and state.created.isoformat(),
        "ended": state.ended and state.ended.isoformat(),
    }
