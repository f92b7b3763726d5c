"""``resume``: a new workflow on a run that was begun, for what is missing."""

import argparse

from imaging_core.errors import UsageError
from imaging_core.store import Location
from workflows import pod_options
from workflows.cluster.connection import connect
from workflows.cluster.names import OURS, complete, is_location
from workflows.cluster.nodes import ENDED
from workflows.commands.submit import add_submission_options, check_waiting, submit
from workflows.options import OWN_COMMAND, add_options
from workflows.submission import resumed_submission, run_of

DESCRIPTION = """\
Continue a run on a cluster, after it was stopped or has failed: a new workflow does the missing shards and cases only.
What the run was asked to do stays as it was; how its pods run can be changed by options.
"""
EPILOG = """\
examples:
  %(prog)s distributed-inference-3f9a1c --watch
  %(prog)s s3://runs/isic-1 --memory 8Gi
"""


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``resume`` to the command line."""
    parser = commands.add_parser(
        "resume",
        help="continue a run on a cluster",
        usage=f"{OWN_COMMAND} resume WORKFLOW|s3://BUCKET/KEY [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("resume", metavar="WORKFLOW|RUN", help="the name of a workflow, or the run's location")
    add_options(parser, run="as before", shards="as before", parallelism="default: as before")
    pod_options.add_pod_options(parser)
    add_submission_options(parser)
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Find the run, make sure that nobody is at work on it, and submit the rest."""
    check_waiting(arguments)
    api = connect(arguments.namespace)
    if not is_location(arguments.resume):
        arguments.resume = run_of(api.get(complete(api, arguments.resume)))
    where = str(Location.parse(arguments.resume))
    for workflow in api.list(OURS):
        if run_of(workflow) == where and workflow.get("status", {}).get("phase") not in ENDED:
            name = workflow["metadata"]["name"]
            raise UsageError(f"{where}: workflow {name} is at work on it; watch it, or stop it first")
    return submit(arguments, resumed_submission(arguments))
