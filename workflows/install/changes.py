"""What applying changes, object by object: tried by a dry run first, then done."""

import difflib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import yaml

from imaging_core.errors import ConfigurationError, InferenceError, TemporaryError, listing
from workflows.install.objects import Object, Objects, Reference, problem
from workflows.install.render import LABEL, MANAGER

Action = Literal["created", "changed", "unchanged", "left as is", "removed", "kept"]
CRD = "CustomResourceDefinition"
NEVER_DELETED = ("PersistentVolumeClaim", "Namespace")
ESTABLISHED_SECONDS = 60
_OF_THE_SERVER = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp")


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one object; ``difference`` is a unified diff of its YAML, for ``changed``."""

    reference: Reference
    action: Action
    difference: str = ""


def tried(objects: Objects, rendered: Sequence[Object], known: Sequence[Reference], *, force: bool) -> list[Change]:
    """What the API server says it would do with each object; nothing changes.

    Args:
        objects: the cluster's.
        rendered: what shall be there.
        known: what was made before.
        force: take fields that others have set.

    Raises:
        ConfigurationError: names everything that would fail.
    """
    coming = {each["spec"]["names"]["kind"] for each in rendered if each["kind"] == CRD}
    changes, problems = [], []
    for manifest in rendered:
        reference = Reference.of(manifest)
        try:
            kind_comes = manifest["kind"] in coming and not objects.knows(reference)
            if kind_comes or _binds_what_comes(objects, manifest, rendered):
                changes.append(Change(reference, "created"))
            else:
                changes.append(_apply(objects, manifest, known, dry_run=True, force=force))
        except TemporaryError:
            raise
        except InferenceError as error:
            problems.append(problem(reference, error))
    if problems:
        raise ConfigurationError(listing("nothing was changed, because this cannot be applied", problems))
    return changes


def _binds_what_comes(objects: Objects, manifest: Object, rendered: Sequence[Object]) -> bool:
    """Whether it binds a Role that is not there yet: only a cluster's administrator may try that by a dry run."""
    if manifest["kind"] != "RoleBinding" or manifest["roleRef"]["kind"] != "Role":
        return False
    roles = (Reference.of(each) for each in rendered if each["kind"] == "Role")
    bound = next((role for role in roles if role.name == manifest["roleRef"]["name"]), None)
    return bound is not None and objects.get(bound) is None


def done(objects: Objects, rendered: Sequence[Object], known: Sequence[Reference], *, force: bool) -> Iterator[Change]:
    """Apply the objects, one by one; arguments as of :func:`tried`."""
    for manifest in rendered:
        change = _apply(objects, manifest, known, dry_run=False, force=force)
        if manifest["kind"] == CRD and change.action == "created":
            _wait_until_established(objects, change.reference)
        yield change


def removed(objects: Objects, unwanted: Sequence[Reference], *, dry_run: bool) -> Iterator[Change]:
    """Remove what an installation made, the last first: never what lies in no namespace, holds data, or is not ours."""
    for reference in reversed(unwanted):
        found = objects.get(reference)
        if found is None:
            continue
        ours = found["metadata"].get("labels", {}).get(LABEL) == MANAGER
        if not reference.namespace or reference.kind in NEVER_DELETED or not ours:
            yield Change(reference, "kept")
            continue
        objects.delete(reference, dry_run=dry_run)
        yield Change(reference, "removed")


def _apply(objects: Objects, manifest: Object, known: Sequence[Reference], *, dry_run: bool, force: bool) -> Change:
    reference = Reference.of(manifest)
    before = objects.get(reference)
    if before is not None and not reference.namespace and reference not in known:
        return Change(reference, "left as is")  # another team's, or the cluster's own
    after = objects.apply(manifest, dry_run=dry_run, force=force)
    if before is None:
        return Change(reference, "created")
    difference = "\n".join(difflib.unified_diff(_lines(before), _lines(after), "there", "to be", n=1, lineterm=""))
    return Change(reference, "changed" if difference else "unchanged", difference)


def _lines(found: Object) -> list[str]:
    """What a person sets of an object. A Secret's values are never shown."""
    metadata = {name: value for name, value in found["metadata"].items() if name not in _OF_THE_SERVER}
    shown = {name: value for name, value in found.items() if name != "status"} | {"metadata": metadata}
    if found["kind"] == "Secret":
        shown.pop("data", None)
    return yaml.safe_dump(shown, allow_unicode=True).splitlines()


def _wait_until_established(objects: Objects, reference: Reference) -> None:
    deadline = time.monotonic() + ESTABLISHED_SECONDS
    while time.monotonic() < deadline:
        conditions = ((objects.get(reference) or {}).get("status") or {}).get("conditions") or []
        if any(each["type"] == "Established" and each["status"] == "True" for each in conditions):
            return
        time.sleep(0.5)
    raise TemporaryError(f"{reference} was not established within {ESTABLISHED_SECONDS} s; apply again")
