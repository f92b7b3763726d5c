"""Passwords of the quick start's own bucket and database: drawn once, never rendered, kept when it is uninstalled."""

import secrets
from collections.abc import Iterator, Sequence

from workflows.install.objects import Object, Objects, Reference

WANTED = {
    "minio": ("bucket-credentials", ("accesskey", "secretkey")),
    "postgres": ("workflow-archive", ("username", "password")),
}
"""StatefulSet to its secret and the keys in it, as manifests/storage has them."""
_BYTES = 18


def make_missing(objects: Objects, rendered: Sequence[Object]) -> Iterator[Reference]:
    """Make the secrets that the rendered objects need and that are not there; the references of those made."""
    there = {each["metadata"]["name"] for each in rendered if each["kind"] == "StatefulSet"}
    for name, (secret, keys) in WANTED.items():
        reference = Reference("v1", "Secret", objects.api.namespace, secret)
        if name in there and objects.get(reference) is None:
            make(objects, reference, {key: f"u{secrets.token_hex(_BYTES)}" for key in keys})
            yield reference


def make(objects: Objects, reference: Reference, values: dict[str, str]) -> None:
    """Make one secret."""
    metadata = {"name": reference.name, "namespace": reference.namespace}
    manifest: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}
    objects.apply(manifest, dry_run=False, force=False)
