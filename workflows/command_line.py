"""``python -m workflows.distributed_inference``: one subcommand a file."""

import argparse
from collections.abc import Sequence

from imaging_core import __version__
from workflows.commands import (
    check,
    cleanup,
    compare,
    end,
    logs,
    render,
    report,
    resume,
    run,
    status,
    submit,
    verify,
    watch,
)
from workflows.commands import list as list_workflows
from workflows.options import OWN_COMMAND
from workflows.parser import Parser, run_subcommand

DESCRIPTION = """\
Distributed inference on medical image datasets: split, infer in parallel, gather exact metrics and a report.
"""
EPILOG = f"""\
example:
  {OWN_COMMAND} run --dataset data/isic.yml --model models/unet --shards 8
  {OWN_COMMAND} status runs/isic-<time>
  {OWN_COMMAND} report runs/isic-<time> --open
"""


def parser() -> argparse.ArgumentParser:
    """The command line; a parsed one holds the ``main`` of its subcommand."""
    root = Parser(
        prog=OWN_COMMAND,
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    root.add_argument("--version", action="version", version=__version__)
    commands = root.add_subparsers(required=True, metavar="COMMAND", title="commands")
    on_clusters = (check, submit, watch, status, logs, list_workflows, resume, end)
    for command in (run, *on_clusters, report, compare, verify, cleanup, render):
        command.add_command(commands)
    return root


def main(arguments: Sequence[str] | None) -> int:
    """Run one subcommand."""
    return run_subcommand(parser(), arguments)
