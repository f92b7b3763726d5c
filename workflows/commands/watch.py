"""``watch``: a workflow's progress until it ends."""

import argparse

from rich.console import Console

from workflows.ci.write import add_ci_options
from workflows.cluster.conclusion import watch_to_the_end
from workflows.cluster.connection import connect
from workflows.cluster.names import complete
from workflows.commands.workflow_options import add_json, add_timeout, add_workflow
from workflows.submission import run_of

EPILOG = """\
example:
  %(prog)s distributed-inference-3f9a1c

Ctrl-C ends the watching only; the run goes on. exit codes: those of the run, see submit --help; 75 after --timeout
"""


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``watch`` to the command line."""
    parser = commands.add_parser(
        "watch",
        help="show a workflow's progress until it ends",
        description="Show a workflow's progress until it ends; then what failed, the verdict and the metrics.",
        epilog=EPILOG,
    )
    add_workflow(parser)
    parser.add_argument("--quiet", "-q", action="store_true", help="show nothing until it has ended")
    add_timeout(parser)
    add_json(parser)
    add_ci_options(parser)
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Follow it; the exit code is the run's."""
    console = Console(stderr=True, highlight=False)
    api = connect(arguments.namespace)
    name = complete(api, arguments.workflow)
    return watch_to_the_end(api, name, run_of(api.get(name)), console, arguments, quiet=arguments.quiet)
