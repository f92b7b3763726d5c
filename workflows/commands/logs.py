"""``logs``: what the steps of a workflow have printed."""

import argparse
import json

from imaging_core.errors import EXIT_DONE, InferenceError, MissingError
from workflows.cluster.connection import connect
from workflows.cluster.logs import follow_lines, kept_lines
from workflows.cluster.names import complete
from workflows.cluster.nodes import STEPS, StepNode, read_workflow
from workflows.commands.workflow_options import add_workflow

EPILOG = """\
examples:
  %(prog)s distributed-inference-3f9a1c -f
  %(prog)s distributed-inference-3f9a1c --shard 003

Once pods are gone, what they said is read from the run's logs/ in the bucket.
"""


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``logs`` to the command line."""
    parser = commands.add_parser(
        "logs",
        help="print what the steps of a workflow have said",
        description="Print what the last attempt of each step has said.",
        epilog=EPILOG,
    )
    add_workflow(parser)
    parser.add_argument("--follow", "-f", action="store_true", help="go on with new lines until the workflow has ended")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--shard", metavar="ID", help="only the shard of this id")
    which.add_argument("--step", choices=STEPS, help="only this step")
    parser.add_argument("--json", action="store_true", help="one JSON object per line on stdout")
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Print lines, each after the name of its step unless there is one only."""
    api = connect(arguments.namespace)
    name = complete(api, arguments.workflow)
    state = read_workflow(api.get(name))
    known = [node.shard for node in state.step("infer")]
    if arguments.shard is not None and known and arguments.shard not in known:
        raise MissingError(f"{name}: has no shard {arguments.shard}; there are {known[0]} to {known[-1]}")
    if arguments.follow:
        for node, line in follow_lines(api, name, lambda node: _wanted(node, arguments)):
            _print(node, line, arguments)
        return EXIT_DONE
    nodes = [node for node in state.nodes if _wanted(node, arguments) and node.attempts]
    if not nodes:
        raise MissingError(f"{name}: no such step has begun; -f waits for it")
    for node in nodes:
        try:
            for line in kept_lines(api, state, node):
                _print(node, line, arguments)
        except InferenceError as error:
            if len(nodes) == 1:
                raise
            _print(node, f"({error})", arguments)
    return EXIT_DONE


def _wanted(node: StepNode, arguments: argparse.Namespace) -> bool:
    if arguments.shard is not None:
        return bool(node.shard == arguments.shard)
    return arguments.step in (None, node.step)


def _print(node: StepNode, line: str, arguments: argparse.Namespace) -> None:
    if arguments.json:
        print(json.dumps({"step": node.step, "shard": node.shard, "line": line}, ensure_ascii=False), flush=True)
    elif arguments.shard is not None or arguments.step in ("split", "gather"):
        print(line, flush=True)
    else:
        print(f"{node.name}: {line}", flush=True)
