"""Where the values of a workflow's steps come from: a run that is known, or a form that somebody will fill in."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Protocol

from hera.workflows import DAG, Container, Parameter, Task

from imaging_core.store import Location
from workflows.parameters import Parameters, option
from workflows.pod_fields import Place
from workflows.pods import Pods

_INPUT = re.compile(r"inputs\.parameters(?:\.([\w-]+)|\['([\w-]+)'\])")

SPLIT = ("dataset", "split", "shards", "run", "case-names", "parallelism")
"""What split is asked for; as many shards as there are may be inferred at a time."""
RECORDED = ("model", "device", "threads-per-step", "max-failed", "memory")
"""What split does not need itself, and writes down of a run that a form began."""


class Values(Protocol):
    """What the templates of the steps ask for."""

    @property
    def place(self) -> Place | None:
        """The run's prefix; None when it does not lie in a bucket."""
        ...

    @property
    def gpus(self) -> int:
        """How many an infer pod may have."""
        ...

    @property
    def gpus_held(self) -> str:
        """How many it has: a number, or an expression of Argo."""
        ...

    @property
    def pod_spec_patch(self) -> str | None:
        """Of an infer pod: what the fields of its container cannot say."""
        ...

    def of(self, name: str, value: str | None = None) -> str:
        """A parameter's value, or a reference to it; ``value`` is the run's, where it does not show in Argo's UI."""
        ...

    def record(self, parameters: Parameters, pods: Pods) -> list[str]:
        """Options of split by which it writes ``run.json``; none where that was written before."""
        ...


class RunValues:
    """Of one run. Those that show in Argo's UI are parameters of the workflow, the others are written out."""

    def __init__(self, parameters: Parameters, pods: Pods) -> None:
        """Take the values of a run."""
        self.place = Place.of(Location.parse(parameters.run))
        self.gpus = pods.gpus_of(parameters.device)
        self.gpus_held = str(self.gpus)
        wanted = self.gpus and pods.runtime_class
        self.pod_spec_patch = json.dumps({"runtimeClassName": pods.runtime_class}) if wanted else None

    def of(self, name: str, value: str | None = None) -> str:
        """The value itself, else a reference to the workflow's parameter."""
        return f"{{{{workflow.parameters.{name}}}}}" if value is None else value

    def record(self, _parameters: Parameters, _pods: Pods) -> list[str]:
        """None: whoever submits a run has written its ``run.json``."""
        return []


class FormValues:
    """Of a WorkflowTemplate, whose templates take them as inputs, so that other workflows can refer to them, too.

    Quantities of a container cannot refer to parameters, so that they are patched. What somebody typed becomes part of
    JSON there: ``toJSON`` keeps it one string.
    """

    def __init__(self, pods: Pods, *, of_run: bool = True) -> None:
        """Take the settings of the pods; without a run there is no place for what is kept of a step."""
        parts = "split(inputs.parameters.run, '/')"
        place = Place(f"{{{{={parts}[2]}}}}", f"{{{{=join(filter({parts}[3:], # != ''), '/')}}}}")
        self.place = place if of_run else None
        self.gpus = pods.gpus_of("cuda")
        self.gpus_held = f"(inputs.parameters.device == 'cuda' ? {self.gpus} : 0)"
        self.pod_spec_patch = self._patch(pods)

    def of(self, name: str, _value: str | None = None) -> str:
        """A reference to the template's input."""
        return f"{{{{inputs.parameters.{name}}}}}"

    def record(self, parameters: Parameters, pods: Pods) -> list[str]:
        """What the form asks for beside split's own options, and as JSON what it does not ask for."""
        asked = {option(name) for name in (*SPLIT, *RECORDED)}
        unasked = {name: value for name, value in parameters.to_json().items() if option(name) not in asked}
        return [*given(self, *RECORDED), "--record", json.dumps({"parameters": unasked, "pods": asdict(pods)})]

    def _patch(self, pods: Pods) -> str:
        cpu = "{{=toJSON(inputs.parameters['threads-per-step'])}}" if pods.cpu is None else json.dumps(pods.cpu)
        memory, gpus = "{{=toJSON(inputs.parameters.memory)}}", f'"{{{{={self.gpus_held}}}}}"'
        amounts = f'{{"cpu": {cpu}, "memory": {memory}, "nvidia.com/gpu": {gpus}}}'
        fields = [f'"containers": [{{"name": "main", "resources": {{"requests": {amounts}, "limits": {amounts}}} }}]']
        if pods.runtime_class:
            name = json.dumps(pods.runtime_class)
            fields.append(f""""runtimeClassName": {{{{=inputs.parameters.device == 'cuda' ? '{name}' : 'null'}}}}""")
        return f"{{{', '.join(fields)}}}"


def given(values: Values, *names: str) -> list[str]:
    """Options of a step whose values show in Argo's UI."""
    return [part for name in names for part in (option(name), values.of(name))]


def inputs_of(texts: Iterable[str | None]) -> list[Parameter]:
    """The inputs that a template needs, because these of its fields refer to them."""
    names = (plain or quoted for text in texts if text for plain, quoted in _INPUT.findall(text))
    return [Parameter(name=name) for name in dict.fromkeys(names)]


def arguments_for(template: Container | DAG, **own: str) -> list[Parameter]:
    """What a task gives to a template: values of its own, else what its DAG was given itself."""
    names = [str(each.name) for each in parameters_of(template.inputs)]
    return [Parameter(name=name, value=own.get(name, f"{{{{inputs.parameters.{name}}}}}")) for name in names]


def dag(tasks: Sequence[Task], *, fail_fast: bool | None = None) -> DAG:
    """The entrypoint of a workflow; its inputs are what its tasks refer to."""
    told = [str(argument.value) for task in tasks for argument in parameters_of(task.arguments)]
    return DAG(name="main", inputs=inputs_of(told) or None, tasks=list(tasks), fail_fast=fail_fast)


def parameters_of(items: object) -> list[Parameter]:
    """Those among what Hera keeps as inputs or arguments."""
    return [each for each in items if isinstance(each, Parameter)] if isinstance(items, list) else []
