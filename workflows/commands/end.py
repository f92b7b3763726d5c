"""``stop``, ``terminate``, ``retry`` and ``delete``: what is done to a workflow by one request."""

import argparse
import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from imaging_core.errors import EXIT_DONE, DataError, MissingError
from workflows.arguments import arguments_of
from workflows.cluster.api import Workflow, WorkflowApi
from workflows.cluster.connection import connect
from workflows.cluster.names import archived, complete
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
    try:
        request.act(api, name)
    except DataError as error:
        workflow = api.get(name)
        if not archived(workflow):
            raise
        raise _only_archived(request, api, workflow) from error
    if arguments.json:
        print(json.dumps({"workflow": name, "namespace": api.namespace, "asked": request.verb}))
        return EXIT_DONE
    about = "" if request.next == "list" else f" {name}"
    print(f"Workflow {name} {request.done}.\nNext:\n  {OWN_COMMAND} {request.next}{about} -n {api.namespace}")
    return EXIT_DONE


def _only_archived(request: Request, api: WorkflowApi, workflow: Workflow) -> MissingError:
    """What is said of a workflow that Argo's archive has and the cluster has not: nothing can be done to it."""
    name, uid = workflow["metadata"]["name"], workflow["metadata"]["uid"]
    run, phase = arguments_of(workflow).get("run"), str(workflow["status"]["phase"]).lower()
    words = f"{name}: {phase} and removed; only Argo's archive still has it"
    if request.verb == "delete":
        kept = f". Its run's files are in {run}: {OWN_COMMAND} cleanup --help says how they are removed" if run else ""
        return MissingError(f"{words}. To remove the record, too: argo archive delete {uid} -n {api.namespace}{kept}")
    again = f"; to do what is missing of its run: {OWN_COMMAND} resume {shlex.quote(run)}" if run else ""
    return MissingError(f"{words}. There is nothing to {request.verb}{again}")
