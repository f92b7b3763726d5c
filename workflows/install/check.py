"""What an installation needs of the machine and of the cluster: looked at, nothing is changed."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence

from imaging_core.errors import InferenceError, MissingError
from workflows.cluster.api import GROUP, VERSION
from workflows.cluster.findings import Finding
from workflows.cluster.permissions import refused
from workflows.install.changes import CRD
from workflows.install.objects import Object, Objects, Reference
from workflows.install.render import example_values

OLDEST = (1, 27)
"""Of kubectl (kustomize 5) and of Kubernetes: server-side apply with strict validation of fields."""
VERBS = ("get", "create", "patch", "delete")


def findings(objects: Objects, rendered: Sequence[Object], secret: str | None) -> Iterator[Finding]:
    """Everything that is looked at, one by one; ``secret`` is the one with the credentials for S3."""
    yield _version("kubectl", _kubectl_version())
    yield _version("Kubernetes", objects.version)
    yield _namespace(objects)
    if values := example_values(list(rendered)):
        yield Finding(
            "values of the overlay", "wrong", f"example.org is not yours: {', '.join(values)}; see its comments"
        )
    yield _argo(objects, rendered)
    if secret:
        yield _secret(objects, secret)
    yield _permissions(objects, rendered)


def _version(what: str, text: str) -> Finding:
    found = re.match(r"v?(\d+)\.(\d+)", text)
    if not found:
        return Finding(what, "not checked", f"does not tell its version: {text!r}")
    if (int(found[1]), int(found[2])) < OLDEST:
        return Finding(f"{what} {text}", "wrong", f"too old; {OLDEST[0]}.{OLDEST[1]} or newer is needed")
    return Finding(f"{what} {text}", "ok")


def _kubectl_version() -> str:
    said = subprocess.run(
        [shutil.which("kubectl") or "kubectl", "version", "--client", "-o", "json"], capture_output=True, text=True
    )
    return str(json.loads(said.stdout)["clientVersion"]["gitVersion"]) if said.returncode == 0 else ""


def _namespace(objects: Objects) -> Finding:
    name = objects.api.namespace
    what = f"namespace {name}"
    try:
        found = objects.get(Reference("v1", "Namespace", "", name))
    except InferenceError as error:
        return Finding(what, "not checked", str(error))
    if found is None:
        return Finding(what, "wrong", f"there is none; kubectl create namespace {name}")
    return Finding(what, "ok")


def _argo(objects: Objects, rendered: Sequence[Object]) -> Finding:
    """Argo's kinds are there, in the version that this project writes, or come with the overlay."""
    what = f"Argo Workflows ({GROUP}/{VERSION})"
    if any(each["kind"] == CRD for each in rendered):
        return Finding(what, "ok", "comes with the overlay, where it is not there")
    try:
        objects.resource(f"{GROUP}/{VERSION}", "WorkflowTemplate")
    except MissingError:
        return Finding(
            what, "wrong", "is not installed; --overlay quickstart brings it, or ask the cluster's administrator"
        )
    return Finding(what, "ok")


def _secret(objects: Objects, name: str) -> Finding:
    what = f"secret {name}"
    try:
        found = objects.get(Reference("v1", "Secret", objects.api.namespace, name))
    except InferenceError as error:
        return Finding(what, "not checked", str(error))
    if found is None:
        literals = "--from-literal=accesskey=… --from-literal=secretkey=…"
        return Finding(what, "wrong", f"there is none; kubectl create secret generic {name} {literals}")
    return Finding(what, "ok")


def _permissions(objects: Objects, rendered: Sequence[Object]) -> Finding:
    needed = set()
    for each in rendered:
        reference = Reference.of(each)
        if objects.knows(reference):
            resource = objects.resource(reference.api_version, reference.kind)
            verbs = VERBS if reference.namespace else VERBS[:-1]
            needed |= {(reference.namespace, resource.group or "", resource.name, verb) for verb in verbs}
    try:
        denied = refused(objects.api, sorted(needed))
    except InferenceError as error:
        return Finding("permissions", "not checked", str(error))
    if denied:
        return Finding("permissions", "wrong", f"you may not {', '.join(denied)}; ask the cluster's administrator")
    return Finding("permissions", "ok")
