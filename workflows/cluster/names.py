"""Workflows by name, or by the beginning of one."""

from pathlib import Path

from imaging_core.errors import MissingError, UsageError
from workflows.cluster.api import Workflow, WorkflowApi
from workflows.distributed_inference import NAME
from workflows.options import OWN_COMMAND

OURS = {"app.kubernetes.io/name": NAME}
MOST_SHOWN = 8
ARCHIVE = "Only an Argo Server reads Argo's archive of removed ones: set ARGO_SERVER"
"""Said where the Kubernetes API was asked. An Argo Server lists and gets archived workflows like others, since 3.5."""


def complete(api: WorkflowApi, text: str) -> str:
    """The name of the workflow that ``text`` is, or begins, or ends: ``distributed-inference-3f9a1c`` by ``3f9a1c``.

    Raises:
        MissingError: there is none.
        UsageError: there are several.
    """
    names = [str(each["metadata"]["name"]) for each in api.list(OURS)]
    if text in names:
        return text
    found = [name for name in names if name.startswith(text) or name.removeprefix(f"{NAME}-").startswith(text)]
    if len(found) == 1:
        return found[0]
    if found:
        shown = ", ".join(found[:MOST_SHOWN]) + (", …" if len(found) > MOST_SHOWN else "")
        raise UsageError(f"{text}: {len(found)} workflows begin so: {shown}; give more of the name")
    return _of_others(api, text)


def _of_others(api: WorkflowApi, text: str) -> str:
    """A whole name may be that of a workflow without our label."""
    try:
        return str(api.get(text)["metadata"]["name"])
    except MissingError as error:
        archive = "" if api.link(text) else f" {ARCHIVE}."
        raise MissingError(
            f"{text}: no workflow of this name in namespace {api.namespace}; {OWN_COMMAND} list shows those that are "
            f"there.{archive} A run's files stay when its workflow is removed: status s3://BUCKET/KEY"
        ) from error


def archived(workflow: Workflow) -> bool:
    """Whether Argo's archive has answered, for the Workflow itself is gone."""
    labels = workflow["metadata"].get("labels") or {}
    return bool(labels.get("workflows.argoproj.io/workflow-archiving-status") == "Persisted")


def is_location(text: str) -> bool:
    """Whether a command line means a run's location, not a workflow's name."""
    return "/" in text or text in (".", "..") or Path(text).exists()
