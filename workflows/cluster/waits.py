"""Why a pod waits: what will pass by itself, and what will not."""

import re
from dataclasses import replace
from datetime import UTC, datetime

from imaging_core.errors import InferenceError
from workflows.cluster.api import WorkflowApi
from workflows.cluster.nodes import StepNode, WorkflowState

_SAYS_NOTHING = {"", "PodInitializing", "ContainerCreating"}
_SETTLING_SECONDS = 10.0
"""A pod that waits for less is only being made."""
_MOST_ASKED = 2
"""So many pods are asked about: others wait for the same."""

_FIXES = (
    (r"ErrImagePull|ImagePullBackOff|ErrImageNeverPull|InvalidImageName", "check --image, and --image-pull-secret"),
    (r"CreateContainerConfigError|CreateContainerError", "make what is missing, or mend the option that names it"),
    (
        r"(secret|configmap) \S+ not found|references non-existent secret key",
        "make it, or mend the option that names it",
    ),
    (r"serviceaccount \S+ not found|error looking up service account", "kubectl apply -k manifests/base makes it"),
    (r"violates PodSecurity", "the namespace forbids such pods; report it as a defect"),
    (r"must use workflowTemplateRef", "only templates may run here: submit --from-template"),
    (r"is forbidden: (?!exceeded quota)", "ask for a Role that allows it"),
)


def hopeless(message: str) -> str | None:
    """The fix of what a waiting pod's message says, when waiting will not mend it; None when it may."""
    return next((fix for pattern, fix in _FIXES if re.search(pattern, message, re.IGNORECASE)), None)


def with_fix(message: str) -> str:
    """The message, and where it is hopeless its fix."""
    fix = hopeless(message)
    return f"{message}; {fix}" if fix else message


def explained(api: WorkflowApi, state: WorkflowState) -> WorkflowState:
    """The same, with Kubernetes' warnings as messages of pods that have waited for a while and do not say why."""
    silent = [
        node for node in state.nodes if node.state == "waiting" and node.attempts and node.message in _SAYS_NOTHING
    ]
    silent = [node for node in silent if _waited(node) > _SETTLING_SECONDS][:_MOST_ASKED]
    found = {id(node): warning for node in silent if (warning := newest_warning(api, node.pod))}
    nodes = [replace(node, message=found.get(id(node), node.message)) for node in state.nodes]
    return replace(state, nodes=nodes) if found else state


def newest_warning(api: WorkflowApi, pod: str) -> str:
    """What Kubernetes warned of last; empty when it did not, or may not be asked."""
    try:
        return next(iter(reversed(api.warnings(pod))), "")
    except InferenceError:
        return ""


def _waited(node: StepNode) -> float:
    return 0.0 if node.started is None else (datetime.now(UTC) - node.started).total_seconds()
