"""What commands about one workflow share."""

import argparse

from steps.command import positive


def add_workflow(parser: argparse.ArgumentParser) -> None:
    """Add the workflow's name and its namespace."""
    parser.add_argument("workflow", metavar="WORKFLOW", help="its name, or as much of it as no other begins with")
    add_namespace(parser)


def add_namespace(parser: argparse.ArgumentParser) -> None:
    """Add where workflows are looked for."""
    parser.add_argument(
        "--namespace", "-n", metavar="NAME", help="of the workflow (default: ARGO_NAMESPACE, else the context's own)"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add what scripts read."""
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def add_timeout(parser: argparse.ArgumentParser) -> None:
    """Add how long to wait."""
    parser.add_argument("--timeout", type=positive, metavar="SECONDS", help="stop waiting after it; the run goes on")
