"""From a Hera workflow to the manifest that engines run, with the checks that Hera leaves out."""

from collections import Counter
from typing import Any, TypeVar

import yaml
from hera.workflows import Workflow
from pydantic import BaseModel

Model = TypeVar("Model", bound=BaseModel)


class ManifestError(Exception):
    """A workflow is not put together well. A mistake in the code that builds it, not in its input."""


def model(kind: type[Model], /, **values: Any) -> Model:
    """Make one of ``hera.workflows.models``, which by themselves drop a field that they do not know without a word.

    Raises:
        ManifestError: no field has such a name.
    """
    known = {name for name, field in kind.model_fields.items()} | {
        field.alias for field in kind.model_fields.values() if field.alias
    }
    if unknown := sorted(set(values) - known):
        raise ManifestError(f"{kind.__name__} has no field {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    return kind(**values)


def to_manifest(workflow: Workflow) -> dict[str, Any]:
    """The workflow as Kubernetes reads it.

    Raises:
        ManifestError: two templates have one name (Hera drops the second), or the entrypoint names none.
    """
    names = Counter(str(getattr(template, "name", None)) for template in workflow.templates)
    if twice := sorted(name for name, count in names.items() if count > 1):
        raise ManifestError(f"two templates are named {', '.join(twice)}; Hera would drop the second")
    if workflow.entrypoint not in names:
        raise ManifestError(f"entrypoint {workflow.entrypoint!r} is not a template; there are {', '.join(names)}")
    manifest: dict[str, Any] = workflow.to_dict()
    return manifest


def to_yaml(manifest: dict[str, Any]) -> str:
    """The manifest as YAML, in the order in which Kubernetes people write it; the same manifest gives the same text."""
    ordered = {key: manifest[key] for key in ("apiVersion", "kind", "metadata", "spec") if key in manifest}
    return yaml.safe_dump(ordered | manifest, sort_keys=False, allow_unicode=True, width=120)
