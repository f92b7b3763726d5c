"""``run``: the whole pipeline on this machine, resumable."""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from imaging_core import run as layout
from imaging_core.errors import (
    EXIT_BUG,
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_NOT_ACCEPTABLE,
    EXIT_TERMINATED,
)
from imaging_core.report.stages import profile, read_stages
from imaging_core.report.timings import cached, read_timings
from imaging_core.store.base import Store
from imaging_core.store.location import FILE
from workflows.ci.outcome import Outcome as Ended
from workflows.ci.outcome import StepFailure, failed_cases
from workflows.ci.write import add_ci_options, write_ci_files
from workflows.display import Display
from workflows.distributed_inference import distributed_inference
from workflows.exit_codes import of_failed
from workflows.failures import Failure, describe, failures
from workflows.local import Engine, Outcome, read_plan
from workflows.manifest import to_manifest
from workflows.options import OWN_COMMAND, add_options, location
from workflows.places import link
from workflows.progress import Progress, duration
from workflows.request import Request, new_run, resumed_run
from workflows.state import read_metrics, shard_samples
from workflows.verdict import verdict

DESCRIPTION = """\
Split a dataset into shards, infer them at the same time, merge the results into exact metrics and a report.
Everything is written below one folder, the run; whatever interrupts it, --resume does only what is missing.
"""
EPILOG = """\
examples:
  %(prog)s --dataset data/isic.yml --model models/unet --shards 8
      the test split in 8 shards, one at a time per GPU, or else per core
  %(prog)s --dataset data/isic.yml --model models/unet --run runs/isic-1 --parallelism 2 --threads-per-step 4
  %(prog)s --dataset data/isic.yml --model models/unet --require 'iou.mean>=0.77' --no-regression runs/isic-1 \\
      --junit verdict.xml --markdown summary.md
  %(prog)s --resume runs/isic-1
      what is missing, with the options that the run was begun with

exit codes:
  0 done; 1 finished, but incomplete, too many cases failed, or what was asked of the figures does not hold; 64 usage;
  65 bad data; 75 temporary: resume later; 78 configuration; 130 Ctrl-C; 143 SIGTERM
"""


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``run`` to the command line."""
    parser = commands.add_parser(
        "run",
        help="run the pipeline on this machine, or resume a run",
        usage=f"{OWN_COMMAND} run --dataset LOCATION --model LOCATION [options]\n"
        f"       {OWN_COMMAND} run --resume RUN [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("--resume", type=location, metavar="RUN", help="do what is missing in a run that was begun")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout at the end")
    parser.add_argument("--profile", action="store_true", help="say which stage of the inference limits")
    add_options(
        parser,
        run="default: runs/<dataset>-<time>",
        shards="default: as many as run at once",
        parallelism="default: one per GPU, else cores / threads",
    )
    add_ci_options(parser)
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Run the pipeline and say how it went; the exit code says it too."""
    begun = time.monotonic()
    console = Console(stderr=True, highlight=False)
    request = resumed_run(arguments) if arguments.resume else new_run(arguments)
    for line in _introduction(request):
        console.print(line, markup=False, soft_wrap=True)
    outcome = _engine_run(request, console)
    code = exit_code(outcome)
    seconds = time.monotonic() - begun
    found = failures(outcome.nodes)
    metrics = read_metrics(request.store) if has_report(outcome) else None
    profiled = [*_profile(request), ""] if arguments.profile and metrics is not None else []
    for line in [*describe(found), "", *profiled]:
        console.print(line, markup=False, soft_wrap=True)
    if arguments.json:
        print(json.dumps(_summary(request, outcome, code, seconds, found, metrics), ensure_ascii=False))
        out = sys.stderr
    else:
        out = sys.stdout
    for line in _conclusion(request, outcome, code, seconds, metrics):
        print(line, file=out)
    write_ci_files(arguments, lambda: _ended(request, code, seconds, found, metrics))
    return code


def exit_code(outcome: Outcome) -> int:
    """The command's exit code: gather's own, unless a step before it failed for a reason that says more."""
    if outcome.stopped is not None:
        return EXIT_INTERRUPTED if outcome.stopped is signal.SIGINT else EXIT_TERMINATED
    if outcome.results.get("gather") == "Succeeded":
        return EXIT_DONE
    codes = [node.exit_code or EXIT_BUG for node in outcome.nodes if node.status not in (None, "Succeeded")]
    return of_failed(codes)


def has_report(outcome: Outcome) -> bool:
    """Whether gather wrote a report just now; what lies there otherwise is of an earlier time."""
    return any(node.task == "gather" and node.exit_code in (EXIT_DONE, EXIT_NOT_ACCEPTABLE) for node in outcome.nodes)


def _engine_run(request: Request, console: Console) -> Outcome:
    workflow = distributed_inference(request.parameters, missing=request.missing)
    plan = read_plan(to_manifest(workflow))
    shards = (request.state.shards if request.state else None) or ()
    progress = Progress(
        samples={shard.id: shard.samples for shard in shards}, before={shard.id: shard.finished for shard in shards}
    )
    with Display(console, progress, lambda: shard_samples(request.store)) as display:
        return Engine(plan, _log_folder(request.store), display, request.gpus).run()


def _log_folder(store: Store) -> Path:
    """Beside the results when they lie on this machine, else a temporary folder that is kept."""
    if store.root.scheme == FILE:
        return Path(store.root.path) / "logs"
    return Path(tempfile.mkdtemp(prefix="run-logs-"))


def _introduction(request: Request) -> list[str]:
    parameters, gpus = request.parameters, len(request.gpus)
    threads = "1 thread" if parameters.threads_per_step == 1 else f"{parameters.threads_per_step} threads"
    where = f", {gpus} GPU{'s' if gpus > 1 else ''}" if gpus else ""
    lines = [
        f"dataset  {request.inputs.dataset}",
        f"model    {request.inputs.model}",
        f"run      {request.store.root.for_person()}",
        f"         {parameters.shards} shards, {parameters.parallelism} at a time, {threads} each{where}",
    ]
    if request.missing is not None and request.state is not None and request.state.shards is not None:
        lines.append(f"         resumed: {len(request.missing)} of {len(request.state.shards)} shards to do")
    return [*lines, ""]


def _conclusion(
    request: Request, outcome: Outcome, code: int, seconds: float, metrics: Mapping[str, Any] | None
) -> list[str]:
    if outcome.stopped is not None:
        return [f"Stopped after {duration(seconds)}; nothing is lost. Continue with:", f"  {request.resume}"]
    lines = []
    if metrics:
        page = link(request.store.root.join(layout.REPORT_PAGE))
        lines += [*verdict(metrics), *_cached(request), "", f"Report: {page}"]
    lines.append(f"{'Done' if code == EXIT_DONE else f'Ended with exit code {code}'} after {duration(seconds)}.")
    if metrics is None or not metrics["complete"]:
        lines += ["When the cause is mended, continue with:", f"  {request.resume}"]
    return lines


def _ended(
    request: Request, code: int, seconds: float, found: list[Failure], metrics: Mapping[str, Any] | None
) -> Ended:
    return Ended(
        run=request.store.root.for_person(),
        exit_code=code,
        seconds=seconds,
        metrics=metrics,
        failures=[
            StepFailure(node.name, node.exit_code, failure.message) for failure in found for node in failure.nodes
        ],
        failed=failed_cases(request.store, metrics),
        report=link(request.store.root.join(layout.REPORT_PAGE)) if metrics else None,
    )


def _profile(request: Request) -> list[str]:
    return profile(read_stages(request.store, shard_samples(request.store)))


def _cached(request: Request) -> list[str]:
    if request.parameters.cache is None:
        return []
    words = cached(read_timings(request.store, shard_samples(request.store)))
    return [f"{words}."] if words else []


def _summary(
    request: Request,
    outcome: Outcome,
    code: int,
    seconds: float,
    found: list[Failure],
    metrics: Mapping[str, Any] | None,
) -> dict[str, Any]:
    return {
        "run": str(request.store.root),
        "exit_code": code,
        "seconds": round(seconds, 3),
        "stopped": None if outcome.stopped is None else outcome.stopped.name,
        "report": str(request.store.root.join(layout.REPORT_PAGE)) if metrics else None,
        "failures": [
            {
                "node": node.name,
                "exit_code": node.exit_code,
                "attempts": node.attempts,
                "message": failure.message,
                "log": str(node.log),
            }
            for failure in found
            for node in failure.nodes
        ],
        "resume": None if metrics is not None and metrics["complete"] else request.resume,
        "metrics": metrics,
    }
