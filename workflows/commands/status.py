"""``status``: how far a run or a workflow is, and what to do next."""

import argparse
import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from imaging_core import run as layout
from imaging_core.errors import EXIT_DONE, EXIT_NOT_ACCEPTABLE
from imaging_core.store import Location, open_store
from workflows.cluster.connection import connect
from workflows.cluster.follow import doing, exit_code, shards_in_words
from workflows.cluster.names import complete, is_location
from workflows.cluster.nodes import StepNode, WorkflowState, read_workflow
from workflows.cluster.waits import explained
from workflows.commands.list import phase
from workflows.commands.workflow_options import add_namespace
from workflows.display import MOST_LINES
from workflows.options import OWN_COMMAND, location
from workflows.places import link
from workflows.removals import removals_in_words
from workflows.state import RunState, Shard, read_state

MOST_SHARDS = 8

DESCRIPTION = """\
Say how far a run is, from its files alone: it works while the run goes on, after it, and from another machine. Of a
workflow's name, say what its steps are doing on the cluster, and why they wait.
"""
EPILOG = """\
examples:
  %(prog)s runs/isic-1
  %(prog)s distributed-inference-3f9a1c

exit codes:
  0 finished, complete and acceptable; 1 not (yet); 65 there is no run, or it is damaged
"""


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``status`` to the command line."""
    parser = commands.add_parser(
        "status",
        help="say how far a run is and what to do next",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("run", metavar="RUN|WORKFLOW", help="the run's location, or the name of a workflow")
    add_namespace(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Print the state of the run, or of the workflow."""
    if not is_location(arguments.run):
        return _workflow(arguments)
    root = Location.parse(location(arguments.run))
    state = read_state(open_store(root))
    if arguments.json:
        print(json.dumps(_summary(root, state), ensure_ascii=False))
    else:
        print("\n".join(_lines(root, state)))
    return EXIT_DONE if state.finished else EXIT_NOT_ACCEPTABLE


def _workflow(arguments: argparse.Namespace) -> int:
    api = connect(arguments.namespace)
    state = explained(api, read_workflow(api.get(complete(api, arguments.run))))
    if arguments.json:
        print(json.dumps(_workflow_summary(state), ensure_ascii=False, default=datetime.isoformat))
    else:
        print("\n".join(_workflow_lines(state, api.namespace)))
    return EXIT_DONE if state.phase == "Succeeded" else EXIT_NOT_ACCEPTABLE


def _workflow_summary(state: WorkflowState) -> dict[str, Any]:
    return asdict(state) | {"exit_code": exit_code(state) if state.finished else None}


def _workflow_lines(state: WorkflowState, namespace: str) -> list[str]:
    shards = state.step("infer")
    lines = [
        f"workflow {state.name}, {phase(state)}{f': {state.message}' if state.message else ''}",
        f"run      {state.parameters.get('run', '')}",
    ]
    shown = [
        node for node in state.nodes if node.step != "infer" or len(shards) <= MOST_LINES or node.state == "running"
    ]
    shown += [node for node in shards if node not in shown and node.phase in ("Failed", "Error")]
    lines += [f"  {node.name:<10} {doing(node)}{_cases(node)}" for node in shown[: 2 * MOST_LINES]]
    if shards:
        lines.append(f"shards   {shards_in_words(state)}")
    where = f"{state.name} -n {namespace}"
    if not state.finished:
        return [*lines, f"next     {OWN_COMMAND} watch {where}"]
    return [*lines, f"next     {OWN_COMMAND} {'report' if state.phase == 'Succeeded' else 'resume'} {where}"]


def _cases(node: StepNode) -> str:
    return f", {node.progress[0]} of {node.progress[1]} cases" if node.progress and node.state == "running" else ""


def _lines(root: Location, state: RunState) -> list[str]:
    lines = [f"run      {root.for_person()}"]
    if state.record is not None:
        asked = state.record.parameters
        lines += [
            f"begun    {state.record.begun.created[:19].replace('T', ' ')} UTC on {state.record.begun.host}",
            f"dataset  {Location.parse(asked.dataset).for_person()}, split {asked.split}",
            f"model    {Location.parse(asked.model).for_person()}",
        ]
    shards = state.shards
    if shards is None:
        lines.append("shards   the split is not complete")
    else:
        lines += [f"shards   {_shards(shards)}", f"cases    {_all_cases(shards)}"]
    return [*lines, f"report   {_report(root, state)}", *removals_in_words(state.removals), *_next(root, state)]


def _shards(shards: Sequence[Shard]) -> str:
    parts = []
    for kind in ("complete", "in progress", "missing"):
        ids = [shard.id for shard in shards if shard.state == kind]
        named = "" if kind == "complete" or not ids else f" ({_some(ids)})"
        parts.append(f"{len(ids)} {kind}{named}")
    return f"{len(shards)}: {', '.join(parts)}"


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:MOST_SHARDS]) + (", …" if len(ids) > MOST_SHARDS else "")


def _all_cases(shards: Sequence[Shard]) -> str:
    totals = _totals(shards)
    temporary = f" ({totals['temporary']} for a temporary reason)" if totals["temporary"] else ""
    return (
        f"{totals['expected']}: {totals['done']} done, {totals['failed']} failed{temporary}, "
        f"{totals['skipped']} skipped, {totals['to_do']} to do"
    )


def _totals(shards: Sequence[Shard]) -> dict[str, int]:
    names = ("done", "failed", "skipped", "temporary")
    totals = {name: sum(getattr(shard, name) for shard in shards) for name in names}
    expected = sum(shard.samples for shard in shards)
    return totals | {"expected": expected, "to_do": expected - sum(shard.finished for shard in shards)}


def _report(root: Location, state: RunState) -> str:
    if state.metrics is None:
        return "not written yet"
    words = "acceptable" if state.acceptable else "not acceptable" if state.metrics["complete"] else "incomplete"
    return f"{words}: {link(root.join(layout.REPORT_PAGE))}"


def _next(root: Location, state: RunState) -> list[str]:
    where = shlex.quote(root.for_person())
    if state.finished:
        return [f"next     {OWN_COMMAND} report {where}"]
    resume = f"{OWN_COMMAND} {'resume' if state.record is not None and state.record.pods else 'run --resume'} {where}"
    if state.to_do(retry_failed=False) == [] and state.metrics is not None and state.metrics["complete"]:
        return [f"next     see why in the report; {resume} --retry-failed tries again"]
    return [f"next     unless it is at work still: {resume}"]


def _summary(root: Location, state: RunState) -> dict[str, Any]:
    shards = state.shards
    return {
        "run": str(root),
        "created": state.record and state.record.begun.created,
        "parameters": state.record and state.record.parameters.to_json(),
        "split_complete": shards is not None,
        "shards": None if shards is None else [asdict(shard) for shard in shards],
        "cases": None if shards is None else _totals(shards),
        "to_do": state.to_do(retry_failed=False),
        "complete": None if state.metrics is None else state.metrics["complete"],
        "acceptable": None if state.metrics is None else state.acceptable,
        "removals": [asdict(each) for each in state.removals],
    }
