"""The form of a WorkflowTemplate, filled in: a Workflow that names the template and brings nothing of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from imaging_core.errors import ConfigurationError, UsageError
from imaging_core.store import Location
from workflows.cluster.api import GROUP, VERSION
from workflows.distributed_inference import NAME
from workflows.parameters import Parameters, option
from workflows.templates.site import NAME_LABEL

ALWAYS = ("dataset", "model", "run")
RUNS = "runs"


@dataclass(frozen=True, slots=True)
class FilledIn:
    """What the template of a run is told. The pods' settings are the template's.

    Attributes:
        template: its name.
        images: of its steps.
        fields: those that are answered; the template has defaults for the others.
    """

    template: str
    images: tuple[str, ...]
    fields: Mapping[str, str]

    @classmethod
    def of(cls, template: Mapping[str, Any], given: Mapping[str, Any]) -> Self:
        """Fill in what the command line says.

        Args:
            template: the WorkflowTemplate, as the cluster has it.
            given: parameters and settings of pods by their names in :class:`Parameters` and
                :class:`~workflows.pods.Pods`.

        Raises:
            UsageError: the form does not ask for one of them.
            ConfigurationError: the template is not one of ours: it does not ask for a dataset, a model, runs and a run.
        """
        name = str(template["metadata"]["name"])
        asked = _defaults(template)
        if absent := [each for each in (*ALWAYS, RUNS) if each not in asked]:
            raise ConfigurationError(
                f"WorkflowTemplate {name}: its form does not ask for {', '.join(absent)}; install it anew: "
                "python -m workflows.install apply"
            )
        fields = {each.replace("_", "-"): value for each, value in given.items()}
        if unasked := [option(each) for each in given if each.replace("_", "-") not in asked]:
            raise UsageError(
                f"{', '.join(unasked)}: WorkflowTemplate {name} does not ask for it; leave it out, or submit without "
                "--from-template"
            )
        steps: Sequence[Mapping[str, Any]] = template["spec"].get("templates") or []
        images = dict.fromkeys(str(each["container"]["image"]) for each in steps if each.get("container"))
        return cls(name, tuple(images), {each: str(value) for each, value in fields.items()})

    def for_run(self, parameters: Parameters) -> Self:
        """The same with the locations as pods see them. Argo wants a value of ``runs`` even where nothing uses it."""
        locations = {each: getattr(parameters, each) for each in ALWAYS}
        locations[RUNS] = str(Location.parse(parameters.run).parent)
        return replace(self, fields={**self.fields, **locations})

    def manifest(self, name: str) -> dict[str, Any]:
        """The Workflow, as ``templateReferencing: Strict`` accepts it."""
        parameters = [{"name": each, "value": value} for each, value in self.fields.items()]
        return {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "Workflow",
            "metadata": {"name": name, "labels": {NAME_LABEL: NAME}},
            "spec": {"workflowTemplateRef": {"name": self.template}, "arguments": {"parameters": parameters}},
        }


def default_shards(template: Mapping[str, Any], otherwise: int) -> int:
    """How many shards the template makes where nobody says a number."""
    text = _defaults(template).get("shards") or ""
    return int(text) if text.isdecimal() else otherwise


def _defaults(template: Mapping[str, Any]) -> dict[str, str | None]:
    """Each field of the form, and its default."""
    given = (template["spec"].get("arguments") or {}).get("parameters") or []
    return {str(each["name"]): each.get("value") for each in given}
