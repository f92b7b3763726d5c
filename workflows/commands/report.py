"""``report``: where a run's report is, and what it says."""

import argparse
import json
import webbrowser

from imaging_core import run as layout
from imaging_core.errors import EXIT_DONE, EXIT_NOT_ACCEPTABLE, ConfigurationError, MissingError
from imaging_core.store import Location, open_store
from workflows.options import OWN_COMMAND, location
from workflows.places import link
from workflows.state import read_state
from workflows.verdict import verdict

DESCRIPTION = """\
Print a run's verdict and metrics, and where its report lies.
"""
EPILOG = """\
example:
  %(prog)s runs/isic-1 --open

exit codes:
  0 the result is complete and acceptable; 1 it is not; 65 there is no run, or no report yet
"""


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``report`` to the command line."""
    parser = commands.add_parser(
        "report",
        help="print a run's verdict, metrics and report",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("run", type=location, metavar="RUN", help="the run's location")
    parser.add_argument("--open", action="store_true", help="open the report in the browser")
    parser.add_argument("--json", action="store_true", help="the metrics as one JSON object on stdout")
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Print what the report says."""
    root = Location.parse(arguments.run)
    state = read_state(open_store(root))
    if state.metrics is None:
        where = root.for_person()
        raise MissingError(f"{where}: no report yet; {OWN_COMMAND} status {where} says how far the run is")
    page = link(root.join(layout.REPORT_PAGE))
    if arguments.json:
        print(json.dumps(state.metrics | {"report": page}, ensure_ascii=False))
    else:
        print("\n".join([*verdict(state.metrics), "", f"Report: {page}"]))
    if arguments.open and not webbrowser.open(page):
        raise ConfigurationError(f"no browser was found here; open it yourself: {page}")
    return EXIT_DONE if state.acceptable else EXIT_NOT_ACCEPTABLE
