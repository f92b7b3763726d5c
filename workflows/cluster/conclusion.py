"""What is said of a workflow that has ended: what failed and why, the verdict, and what to type next."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console

from imaging_core import run
from imaging_core.errors import EXIT_DONE, EXIT_NOT_ACCEPTABLE, InferenceError
from imaging_core.store import Location, open_store
from workflows.ci.outcome import Outcome, StepFailure, failed_cases
from workflows.ci.write import write_ci_files
from workflows.cluster.api import WorkflowApi
from workflows.cluster.follow import doing, exit_code
from workflows.cluster.logs import kept_lines
from workflows.cluster.nodes import StepNode, WorkflowState
from workflows.failures import MOST_MESSAGES, last_words
from workflows.options import OWN_COMMAND
from workflows.places import link
from workflows.state import read_metrics
from workflows.verdict import verdict


def conclude(api: WorkflowApi, state: WorkflowState, console: Console, arguments: argparse.Namespace) -> int:
    """Say how a workflow ended, in the form that the command line asks for; the exit code says it too."""
    code = exit_code(state)
    root = Location.parse(state.parameters["run"])
    failed = _failures(api, state)
    failures = [
        {"step": node.name, "exit_code": node.exit_code, "attempts": node.attempts, "message": words}
        for node, words in failed
    ]
    metrics, unread = _metrics(root, state)
    for failure in failures:
        console.print(f"\n{failure['step']}:", markup=False)
        console.print(
            "\n".join(f"  {line}" for line in str(failure["message"]).splitlines()), markup=False, soft_wrap=True
        )
    ended = Outcome(
        run=root.for_person(),
        exit_code=code,
        seconds=(state.ended - state.created).total_seconds() if state.ended and state.created else None,
        metrics=metrics,
        failures=[StepFailure(node.name, node.exit_code, words) for node, words in failed],
        report=link(root.join(run.REPORT_PAGE)) if metrics else None,
        workflow=state.name,
        link=api.link(state.name),
    )
    write_ci_files(arguments, lambda: replace(ended, failed=failed_cases(open_store(root), metrics)))
    if arguments.json:
        summary = {
            "workflow": state.name,
            "namespace": api.namespace,
            "phase": state.phase,
            "exit_code": code,
            "run": str(root),
            "failures": failures,
            "metrics": metrics,
        }
        print(json.dumps(summary, ensure_ascii=False))
        return code
    lines = ["", *(verdict(metrics) if metrics else [])]
    if metrics:
        lines += ["", f"Report: {link(root.join(run.REPORT_PAGE))}"]
    elif unread:
        lines.append(f"The report could not be read from here ({unread}).")
    stopped = {"Stop": "was stopped", "Terminate": "was terminated"}.get(state.shutdown)
    words = stopped or ("is done" if code == EXIT_DONE else f"ended with exit code {code} ({state.phase})")
    lines.append(f"Workflow {state.name} {words}.")
    if code != EXIT_DONE and not (metrics and metrics["complete"]):
        lines += ["When the cause is mended, continue with:", f"  {OWN_COMMAND} resume {root} -n {api.namespace}"]
    print("\n".join(lines))
    return code


def _failures(api: WorkflowApi, state: WorkflowState) -> Sequence[tuple[StepNode, str]]:
    """The first few steps that failed, each with the last words of its log, or what Argo says of it."""
    failed = [
        node
        for node in state.nodes
        if node.phase in ("Failed", "Error") and node.exit_code != EXIT_NOT_ACCEPTABLE and not state.shutdown
    ]
    return [(node, _words(api, state, node)) for node in failed[:MOST_MESSAGES]]


def _words(api: WorkflowApi, state: WorkflowState, node: StepNode) -> str:
    try:
        lines = list(kept_lines(api, state, node))
    except InferenceError:
        lines = []
    return "\n".join([doing(node), *([last_words(lines)] if lines else [])])


def _metrics(root: Location, state: WorkflowState) -> tuple[dict[str, Any] | None, str]:
    """What gather wrote just now; else why it cannot be read."""
    gather = state.step("gather")
    if not gather or gather[0].exit_code not in (EXIT_DONE, EXIT_NOT_ACCEPTABLE):
        return None, ""
    try:
        return read_metrics(open_store(root)), ""
    except InferenceError as error:
        return None, str(error)
