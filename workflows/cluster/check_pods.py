"""What pods find: a small workflow with a run's own settings reads its inputs and writes to its prefix."""

import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping

from imaging_core.errors import InferenceError
from workflows.check_workflow import CORE, GPU, check_workflow
from workflows.cluster.api import Workflow, WorkflowApi
from workflows.cluster.findings import Finding
from workflows.cluster.nodes import ENDED, pod_name
from workflows.cluster.waits import hopeless, newest_warning, with_fix
from workflows.manifest import to_manifest
from workflows.parameters import Parameters
from workflows.pods import Pods

POLL_SECONDS = 1.0
ASKING_SECONDS = 10.0
"""From then on Kubernetes is asked what it warns of."""
LONGEST_SECONDS = 90.0
_SUFFIX_BYTES = 3


def check_pods(api: WorkflowApi, parameters: Parameters, pods: Pods, expected: Mapping[str, str]) -> Iterator[Finding]:
    """Run the two pods of the check, and say what came of them; nothing of them is left.

    Args:
        api: the cluster.
        parameters: of the run, as pods see them.
        pods: settings of its pods.
        expected: see :func:`workflows.check_workflow.check_workflow`.
    """
    manifest = to_manifest(check_workflow(parameters, pods, dict(expected)))
    name = f"{manifest['metadata'].pop('generateName')}{secrets.token_hex(_SUFFIX_BYTES)}"
    manifest["metadata"]["name"] = name
    try:
        api.create(manifest)
    except InferenceError as error:
        yield Finding("pods", "wrong", str(error))
        return
    try:
        yield from _findings(api, _until_ended(api, name), pods)
    except InferenceError as error:
        yield Finding("pods", "not checked", str(error))
    finally:
        api.delete(name)


def _until_ended(api: WorkflowApi, name: str) -> Workflow:
    """The workflow when it has ended, or waits for what will not come."""
    begun = time.monotonic()
    while True:
        workflow = api.get(name)
        waiting = [node for node in _pods(workflow).values() if node["phase"] in ("Pending", "Running")]
        seconds = time.monotonic() - begun
        if not waiting and (workflow.get("status") or {}).get("phase") in ENDED:
            return workflow
        if waiting and all(hopeless(_message(api, node, asking=seconds > ASKING_SECONDS)) for node in waiting):
            return workflow
        if seconds > LONGEST_SECONDS:
            return workflow
        time.sleep(POLL_SECONDS)


def _message(api: WorkflowApi, node: Mapping[str, str], *, asking: bool = True) -> str:
    """What Argo says of a pod, and for one that waits what Kubernetes warned of."""
    said = " ".join(str(node.get("message") or "").split())
    if asking and node["phase"] == "Pending" and not hopeless(said):
        workflow = str(node["id"]).rpartition("-")[0]
        said = newest_warning(api, pod_name(workflow, node)) or said
    return said


def _pods(workflow: Workflow) -> dict[str, dict[str, str]]:
    nodes = (workflow.get("status") or {}).get("nodes") or {}
    return {node["templateName"]: node for node in nodes.values() if node.get("type") == "Pod"}


def _findings(api: WorkflowApi, workflow: Workflow, pods: Pods) -> Iterator[Finding]:
    found = _pods(workflow)
    if not found:
        message = (workflow.get("status") or {}).get(
            "message"
        ) or "Argo's controller has not looked at it; is it running?"
        refused = workflow.get("status", {}).get("phase") == "Error"
        yield Finding("pods", "wrong" if refused else "not checked", with_fix(message))
        return
    for name, image in ((CORE, pods.images.core), (GPU, pods.images.gpu)):
        node = found.get(name)
        if node is not None:
            yield _of_pod(f"pod of image {image}", node, _message(api, node), pods)
    yield from _looks(found.get(CORE) or {})


def _of_pod(what: str, node: Mapping[str, str], message: str, pods: Pods) -> Finding:
    if node["phase"] == "Succeeded" or (node["phase"] == "Failed" and _said(node)):
        return Finding(what, "ok")
    if node["phase"] == "Running":
        where = pods.s3_endpoint or "AWS's own endpoint"
        words = f"had not ended after {LONGEST_SECONDS:.0f} s: it does not reach S3 at {where}; check --pod-s3-endpoint"
        return Finding(what, "wrong", words)
    if node["phase"] == "Pending":
        return Finding(what, "wrong" if hopeless(message) else "not checked", with_fix(message))
    return Finding(what, "wrong", message or f"ended in phase {node['phase']}")


def _looks(node: Mapping[str, str]) -> Iterator[Finding]:
    for each in _said(node):
        what = f"{each['what']}, as pods see it"
        yield Finding(what, "ok") if each["error"] is None else Finding(what, "wrong", each["error"])


def _said(node: Mapping[str, object]) -> list[dict[str, str]]:
    outputs = node.get("outputs")
    parameters = outputs.get("parameters") if isinstance(outputs, dict) else None
    for parameter in parameters or []:
        if parameter["name"] == "found" and re.match(r"\[\{", str(parameter.get("value", ""))):
            said: list[dict[str, str]] = json.loads(parameter["value"])
            return said
    return []
