"""``list``: the workflows of a namespace, or the runs below a location."""

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

from imaging_core.archive.retention import find_runs
from imaging_core.errors import EXIT_DONE
from imaging_core.store import Location
from workflows.cluster.connection import connect
from workflows.cluster.names import ARCHIVE, OURS
from workflows.cluster.nodes import WorkflowState, read_workflow
from workflows.commands.workflow_options import add_json, add_namespace
from workflows.options import OWN_COMMAND, location
from workflows.progress import duration

EPILOG = """\
examples:
  %(prog)s -n imaging
      the workflows of a namespace; through an Argo Server also those in its archive
  %(prog)s s3://runs
      the runs directly below a location, from their own records: whatever has become of their workflows
"""


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``list`` to the command line."""
    parser = commands.add_parser(
        "list",
        help="list the workflows of a cluster's namespace, or runs",
        description="List our workflows in a namespace, or the runs that lie below a location.",
        epilog=EPILOG,
    )
    parser.add_argument("runs", metavar="LOCATION", nargs="?", type=location, help="a folder or prefix that holds runs")
    add_namespace(parser)
    add_json(parser)
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Print one line per workflow or run, the newest first."""
    if arguments.runs is not None:
        return _runs(Location.parse(arguments.runs), as_json=arguments.json)
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


def _runs(root: Location, *, as_json: bool) -> int:
    found, unread = find_runs(root)
    if as_json:
        runs = [
            {"run": str(each.where), "begun": each.begun.isoformat(), "acceptable": each.acceptable} for each in found
        ]
        print(json.dumps({"location": str(root), "runs": runs, "unread": [str(each.where) for each in unread]}))
        return EXIT_DONE
    report = {True: "acceptable", False: "not acceptable", None: "none"}
    rows = [("BEGUN (UTC)", "REPORT", "RUN")]
    rows += [(f"{each.begun:%Y-%m-%d %H:%M}", report[each.acceptable], each.where.for_person()) for each in found]
    print("\n".join(_aligned(rows)) if found else f"No runs directly below {root.for_person()}.")
    for each in unread:
        print(f"{each.where.for_person()}: {each.why}")
    return EXIT_DONE


def _table(states: list[WorkflowState]) -> list[str]:
    rows = [("WORKFLOW", "PHASE", "AGE", "RUN")]
    rows += [(each.name, phase(each), _age(each), each.parameters.get("run", "")) for each in states]
    return _aligned(rows)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    ]


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
