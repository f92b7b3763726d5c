"""Why a pod waits: what will pass by itself, and what will not."""

import re

_FIXES = (
    (r"ErrImagePull|ImagePullBackOff|ErrImageNeverPull|InvalidImageName", "check --image, and --image-pull-secret"),
    (r"CreateContainerConfigError|CreateContainerError", "make what is missing, or mend the option that names it"),
    (r"secret \S+ not found|configmap \S+ not found", "make it, or mend the option that names it"),
    (r"serviceaccount \S+ not found|error looking up service account", "kubectl apply -k manifests/base makes it"),
    (r"violates PodSecurity", "the namespace forbids such pods; report it as a defect"),
    (r"is forbidden: (?!exceeded quota)", "ask for a Role that allows it"),
)


def hopeless(message: str) -> str | None:
    """The fix of what a waiting pod's message says, when waiting will not mend it; None when it may."""
    return next((fix for pattern, fix in _FIXES if re.search(pattern, message, re.IGNORECASE)), None)
