"""A Workflow's status, read: which steps there are, how far they are, and why they wait or failed."""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from imaging_core.errors import DataError
from workflows.arguments import arguments_of
from workflows.cluster.api import Workflow

ENDED = {"Succeeded", "Failed", "Error"}
STEPS = ("train", "split", "infer", "gather")
State = Literal["waiting", "running", "ended"]


@dataclass(frozen=True, slots=True)
class StepNode:
    """One step, as the last of its attempts left it.

    Attributes:
        step: ``split``, ``infer`` or ``gather``.
        shard: of ``infer``; None for the others.
        phase: Argo's: Pending, Running, Succeeded, Failed, Error, Omitted.
        message: why it waits or what it failed of; empty when there is nothing to say.
        attempts: how many were begun.
        before: what the attempt before the last one failed of; empty when there was none.
        pod: the pod of the last attempt.
        log: where in the bucket its log is kept, as an object key; None before it is.
        progress: cases done and expected; None before the step has said anything.
        exit_code: None before it has ended, or when it ended without one.
        outputs: values of the output parameters.
        started: of the first attempt.
        ended: of the last one.
    """

    step: str
    shard: str | None
    phase: str
    message: str
    attempts: int
    before: str
    pod: str
    log: str | None
    progress: tuple[int, int] | None
    exit_code: int | None
    outputs: Mapping[str, str]
    started: datetime | None
    ended: datetime | None

    @property
    def name(self) -> str:
        """``infer 003``."""
        return self.step if self.shard is None else f"{self.step} {self.shard}"

    @property
    def state(self) -> State:
        """Whether it waits, runs or has ended."""
        if self.phase in ENDED or self.phase in ("Skipped", "Omitted"):
            return "ended"
        return "running" if self.phase == "Running" else "waiting"


@dataclass(frozen=True, slots=True)
class WorkflowState:
    """A workflow of ours.

    Attributes:
        name: of the Workflow.
        phase: Argo's; empty before the controller has seen it.
        message: Argo's.
        shutdown: ``Stop`` or ``Terminate`` when somebody asked for it; else empty.
        parameters: of the workflow.
        nodes: its steps, in the order in which they are carried out.
        created: when it was made.
        ended: when it ended.
    """

    name: str
    phase: str
    message: str
    shutdown: str
    parameters: Mapping[str, str]
    nodes: Sequence[StepNode]
    created: datetime | None
    ended: datetime | None

    @property
    def finished(self) -> bool:
        """Whether nothing will change any more."""
        return self.phase in ENDED

    def step(self, name: str) -> list[StepNode]:
        """The nodes of a step, by shard."""
        return [node for node in self.nodes if node.step == name]

    @property
    def shard_count(self) -> int:
        """How many shards there are, those that Argo has made no node of yet included; 0 before split has said it."""
        said = (node.outputs.get("shard-ids") for node in self.step("split"))
        return max([len(self.step("infer")), *(len(json.loads(ids)) for ids in said if ids)])


def read_workflow(workflow: Workflow) -> WorkflowState:
    """Read a Workflow object.

    Raises:
        DataError: its nodes are kept elsewhere, and only the Argo Server can read them.
    """
    metadata, spec, status = workflow["metadata"], workflow.get("spec", {}), workflow.get("status") or {}
    return WorkflowState(
        name=str(metadata["name"]),
        phase=str(status.get("phase") or ""),
        message=str(status.get("message") or ""),
        shutdown=str(spec.get("shutdown") or ""),
        parameters=arguments_of(workflow),
        nodes=_steps(str(metadata["name"]), _nodes(metadata["name"], status)),
        created=_time(metadata.get("creationTimestamp")),
        ended=_time(status.get("finishedAt")),
    )


def _nodes(name: str, status: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    if status.get("offloadNodeStatusVersion") and not status.get("nodes"):
        raise DataError(
            f"workflow {name}: Argo keeps its nodes in a database, which only the Argo Server reads; set ARGO_SERVER"
        )
    if status.get("compressedNodes"):
        nodes: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(status["compressedNodes"])))
        return nodes
    return status.get("nodes") or {}


def _steps(workflow: str, nodes: Mapping[str, Mapping[str, Any]]) -> list[StepNode]:
    children = {child for node in nodes.values() if node.get("type") == "Retry" for child in node.get("children") or []}
    steps = [
        _step(workflow, node, nodes)
        for key, node in nodes.items()
        if node.get("templateName") in STEPS and node.get("type") in ("Retry", "Pod", "Skipped") and key not in children
    ]
    return sorted(steps, key=lambda each: (STEPS.index(each.step), each.shard or ""))


def _step(workflow: str, node: Mapping[str, Any], nodes: Mapping[str, Mapping[str, Any]]) -> StepNode:
    """A step is a Retry node, whose children are the pods of its attempts; only they know what happened."""
    attempts = (
        [nodes[each] for each in node.get("children") or [] if each in nodes] if node["type"] == "Retry" else [node]
    )
    attempts = [each for each in attempts if each.get("type") == "Pod"]
    last = attempts[-1] if attempts else node
    outputs = last.get("outputs") or {}
    inputs = (node.get("inputs") or last.get("inputs") or {}).get("parameters") or []
    code = outputs.get("exitCode")
    logs = [each for each in outputs.get("artifacts") or [] if each.get("name") == "main-logs"]
    phase, message = str(node["phase"]), str(last.get("message") or node.get("message") or "")
    if phase == "Running":
        again = last["phase"] in ENDED
        phase, message = ("Pending", f"to be tried again after: {message}") if again else (str(last["phase"]), message)
    return StepNode(
        step=str(node["templateName"]),
        shard=next((str(each["value"]) for each in inputs if each.get("name") == "shard"), None),
        phase=phase,
        message=message,
        attempts=len(attempts),
        before=str(attempts[-2].get("message") or "") if len(attempts) > 1 else "",
        pod=pod_name(workflow, last),
        log=next((each.get("s3", {}).get("key") for each in logs), None),
        progress=_progress(last),
        exit_code=int(code) if code is not None and str(code).lstrip("-").isdigit() else None,
        outputs={each["name"]: str(each.get("value", "")) for each in outputs.get("parameters") or []},
        started=_time(node.get("startedAt")),
        ended=_time(node.get("finishedAt")),
    )


def pod_name(workflow: str, node: Mapping[str, Any]) -> str:
    """Argo names pods ``<workflow>-<template>-<hash>``, and nodes ``<workflow>-<hash>``."""
    return f"{workflow}-{node['templateName']}-{str(node['id']).rpartition('-')[2]}"


def _progress(node: Mapping[str, Any]) -> tuple[int, int] | None:
    """``0/1`` and ``1/1`` are what Argo says of a pod that has not said anything."""
    done, _, total = str(node.get("progress") or "").partition("/")
    if not (done.isdigit() and total.isdigit()) or (node["templateName"] != "infer"):
        return None
    return None if total == "1" else (int(done), int(total))


def _time(text: str | None) -> datetime | None:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) if text else None
