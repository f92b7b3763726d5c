"""``cleanup``: old runs, or some of their outputs, are removed. It is the step of this name, on this machine."""

import argparse
import os
import sys

OPTIONS = "\0"
"""No argument begins so: all of them, ``--help`` too, are passed on to the step as they are."""


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``cleanup`` to the command line."""
    parser = commands.add_parser(
        "cleanup",
        help="remove old runs or some of their outputs; says first what it would remove",
        add_help=False,
        prefix_chars=OPTIONS,
    )
    parser.add_argument("arguments", nargs="*")
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Become the step: exit code, output and signals are its own."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "steps.cleanup", *arguments.arguments])  # noqa: S606
