"""The values of a Workflow's parameters."""

from collections.abc import Mapping
from typing import Any


def arguments_of(workflow: Mapping[str, Any]) -> dict[str, str]:
    """What the Workflow object itself says and, of one that was started from a WorkflowTemplate, what that one does.

    References of one value to another, and to the workflow's name, are resolved as Argo does.
    """
    template = workflow.get("status", {}).get("storedWorkflowTemplateSpec") or {}
    given = [
        each
        for spec in (template, workflow.get("spec", {}))
        for each in (spec.get("arguments") or {}).get("parameters") or []
    ]
    values = {each["name"]: str(each.get("value", "")) for each in given}
    known = {f"{{{{workflow.parameters.{name}}}}}": value for name, value in values.items()}
    known["{{workflow.name}}"] = str(workflow["metadata"]["name"])
    return {name: _resolved(value, known) for name, value in values.items()}


def _resolved(value: str, known: Mapping[str, str]) -> str:
    for reference, meant in known.items():
        value = value.replace(reference, meant)
    return value
