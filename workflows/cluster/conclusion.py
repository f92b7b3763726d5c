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
from workflows.ci.outcome import Left, Outcome, StepFailure, failed_cases
from workflows.ci.write import write_ci_files
from workflows.cluster.api import WorkflowApi
from workflows.cluster.follow import GoneError, doing, exit_code, follow
from workflows.cluster.logs import kept_lines
from workflows.cluster.nodes import StepNode, WorkflowState
from workflows.cluster.waits import with_fix
from workflows.failures import MOST_MESSAGES, last_words
from workflows.options import OWN_COMMAND
from workflows.places import link
from workflows.state import read_metrics
from workflows.verdict import verdict


def watch_to_the_end(
    api: WorkflowApi, name: str, run_location: str, console: Console, arguments: argparse.Namespace, *, quiet: bool
) -> int:
    """Follow a workflow until it has ended, and say how; the exit code says it, too.

    When it is not waited for to its end (the time was over, it waits in vain, it was removed, the cluster is away), the
    files for a continuous integration's pages say so, with what to type next, and the error is raised.
    """
    try:
        state = follow(api, name, console, quiet=quiet, timeout=arguments.timeout)
    except InferenceError as error:
        _leave(api, name, Location.parse(run_location), error, arguments)
        raise
    return conclude(api, state, console, arguments)


def _leave(api: WorkflowApi, name: str, root: Location, error: InferenceError, arguments: argparse.Namespace) -> None:
    where, of_run = f"{name} -n {api.namespace}", root.for_person()
    if isinstance(error, GoneError):
        commands = {
            "its verdict, when there is one": f"{OWN_COMMAND} report {of_run}",
            "how far it came": f"{OWN_COMMAND} status {of_run}",
        }
    else:
        commands = {
            "how far it is": f"{OWN_COMMAND} status {where}",
            "wait again": f"{OWN_COMMAND} watch {where}",
            "end it": f"{OWN_COMMAND} stop {where}",
        }
    left = Left(str(error), commands)
    outcome = Outcome(of_run, error.exit_code, None, None, workflow=name, link=api.link(name), left=left)
    write_ci_files(arguments, lambda: outcome)


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
    if not state.nodes and state.message:
        lines.append(f"Argo: {with_fix(state.message)}")
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
