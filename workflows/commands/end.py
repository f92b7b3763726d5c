"""``stop``, ``terminate``, ``retry`` and ``delete``: what is done to a workflow by one request."""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from imaging_core.errors import EXIT_DONE
from workflows.cluster.api import WorkflowApi
from workflows.cluster.connection import connect
from workflows.cluster.names import complete
from workflows.commands.workflow_options import add_json, add_workflow
from workflows.options import OWN_COMMAND


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        verb: the command.
        does: what it does, for the help.
        act: carries it out.
        done: what is said afterwards.
        next: the command to type next.
    """

    verb: str
    does: str
    act: Callable[[WorkflowApi, str], None]
    done: str
    next: str


REQUESTS = (
    Request(
        "stop",
        "end a workflow: running steps finish what they write, and what is done is kept",
        lambda api, name: api.stop(name),
        "is being stopped",
        "resume",
    ),
    Request(
        "terminate",
        "end a workflow at once, without anything that runs at its end",
        lambda api, name: api.terminate(name),
        "is being terminated",
        "resume",
    ),
    Request(
        "retry",
        "let Argo run the failed steps of a workflow again (through the Argo Server only)",
        lambda api, name: api.retry(name),
        "runs again what failed",
        "watch",
    ),
    Request(
        "delete",
        "remove a workflow and its pods; the run's files stay",
        lambda api, name: api.delete(name),
        "was removed; its run is still there",
        "list",
    ),
)


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add all of them to the command line."""
    for request in REQUESTS:
        does = request.does[0].upper() + request.does[1:]
        parser = commands.add_parser(
            request.verb,
            help=request.does,
            description=f"{does}.",
            epilog=f"example:\n  {OWN_COMMAND} {request.verb} distributed-inference-3f9a1c",
        )
        add_workflow(parser)
        add_json(parser)
        parser.set_defaults(main=partial(main, request))


def main(request: Request, arguments: argparse.Namespace) -> int:
    """Ask for it, and say so."""
    api = connect(arguments.namespace)
    name = complete(api, arguments.workflow)
    request.act(api, name)
    if arguments.json:
        print(json.dumps({"workflow": name, "namespace": api.namespace, "asked": request.verb}))
        return EXIT_DONE
    about = "" if request.next == "list" else f" {name}"
    print(f"Workflow {name} {request.done}.\nNext:\n  {OWN_COMMAND} {request.next}{about} -n {api.namespace}")
    return EXIT_DONE
