"""``report``: where the report of a run or a workflow is, and what it says."""

import argparse
import json
import tempfile
import webbrowser
from pathlib import Path
from typing import Any

from imaging_core import run as layout
from imaging_core.errors import EXIT_DONE, EXIT_NOT_ACCEPTABLE, ConfigurationError, MissingError
from imaging_core.metrics.merge import merge
from imaging_core.report.gates import judged_again
from imaging_core.report.regression import compare_with
from imaging_core.store import Location, open_store
from imaging_core.store.base import Store
from imaging_core.store.location import FILE
from steps.command import requirement
from workflows.ci.outcome import Outcome, failed_cases
from workflows.ci.write import add_ci_options, write_ci_files
from workflows.cluster.connection import connect
from workflows.cluster.names import complete, is_location
from workflows.commands.workflow_options import add_namespace
from workflows.options import NO_REGRESSION, OWN_COMMAND, REQUIRE, location
from workflows.places import link
from workflows.removals import removals_in_words
from workflows.state import RunState, read_state
from workflows.submission import run_of
from workflows.verdict import verdict

DESCRIPTION = """\
Print a run's verdict and metrics, and where its report lies. A report in a bucket is fetched before it is opened.
With --require or --no-regression the run is judged by these, too; its own report stays as it is.
"""
EPILOG = """\
examples:
  %(prog)s runs/isic-1 --open
  %(prog)s distributed-inference-3f9a1c --save isic.html
  %(prog)s s3://runs/isic-2 --require 'iou.mean>=0.77' --no-regression s3://runs/isic-1

exit codes:
  0 the result is complete and acceptable; 1 it is not; 64 it has no such figure; 65 there is no run, or no report yet
"""


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``report`` to the command line."""
    parser = commands.add_parser(
        "report",
        help="print a run's verdict, metrics and report",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("run", metavar="RUN|WORKFLOW", help="the run's location, or the name of a workflow")
    add_namespace(parser)
    parser.add_argument("--open", action="store_true", help="open the report in the browser")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the report there: one file, pictures inside")
    parser.add_argument("--json", action="store_true", help="the metrics as one JSON object on stdout")
    judging = parser.add_argument_group("judge it by more")
    judging.add_argument("--require", action="append", type=requirement, metavar="EXPRESSION", help=REQUIRE)
    judging.add_argument("--no-regression", type=location, metavar="RUN", help=NO_REGRESSION)
    add_ci_options(parser)
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Print what the report says."""
    root = _root(arguments)
    store = open_store(root)
    state = read_state(store)
    where = root.for_person()
    metrics = _judged(arguments, store, state)
    if metrics is None:
        raise MissingError(f"{where}: no report yet; {OWN_COMMAND} status {where} says how far the run is")
    page = link(root.join(layout.REPORT_PAGE))
    if arguments.save or (arguments.open and root.scheme != FILE):
        page = _fetched(store, arguments.save)
    if arguments.json:
        print(json.dumps(metrics | {"report": page}, ensure_ascii=False))
    else:
        print("\n".join([*verdict(metrics), "", *removals_in_words(state.removals), f"Report: {page}"]))
    code = EXIT_DONE if metrics["acceptable"] else EXIT_NOT_ACCEPTABLE
    write_ci_files(
        arguments, lambda: Outcome(where, code, None, metrics, failed=failed_cases(store, metrics), report=page)
    )
    if arguments.open and not webbrowser.open(page):
        raise ConfigurationError(f"no browser was found here; open it yourself: {page}")
    return code


def _judged(arguments: argparse.Namespace, store: Store, state: RunState) -> dict[str, Any] | None:
    """The metrics, with the verdict on what the command line asks of them."""
    require = arguments.require or []
    if state.metrics is None or not (require or arguments.no_regression):
        return state.metrics
    regression = None
    if arguments.no_regression:
        patient = state.record.parameters.patient if state.record else None
        merged = merge(store, names=False, patient=patient)
        regression = compare_with(Location.parse(arguments.no_regression), merged, require, patient)
    return judged_again(state.metrics, require, regression)


def _root(arguments: argparse.Namespace) -> Location:
    if is_location(arguments.run):
        return Location.parse(location(arguments.run))
    api = connect(arguments.namespace)
    return Location.parse(run_of(api.get(complete(api, arguments.run))))


def _fetched(store: Store, wanted: Path | None) -> str:
    """The page as a link to a file of this machine; by itself it goes to a folder for temporary files."""
    path = wanted or Path(tempfile.mkdtemp(prefix="report-")) / f"{store.root.name}.html"
    try:
        path.write_bytes(store.get(layout.REPORT_PAGE))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error.strerror}; give another --save") from error
    return path.resolve().as_uri()
