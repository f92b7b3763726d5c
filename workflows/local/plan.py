"""A Workflow manifest, read into what the local engine can run, and refused where it cannot."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workflows.local.depends import Status, read_depends
from workflows.local.fields import UnsupportedError, check_fields, named
from workflows.local.retry import Retry, read_retry
from workflows.local.templating import expressions

# Where a pod runs and what it may use there; on this machine a step runs here, with what there is.
_CLUSTER_ONLY = {
    "workflow": {
        *("activeDeadlineSeconds", "imagePullSecrets", "metrics", "nodeSelector", "podGC", "podMetadata"),
        *("podPriorityClassName", "podSpecPatch", "securityContext", "serviceAccountName", "tolerations"),
        *("ttlStrategy", "volumes"),
    },
    "template": {"archiveLocation", "metrics", "podSpecPatch", "synchronization", "volumes"},
    "container": {"image", "imagePullPolicy", "resources", "securityContext", "volumeMounts"},
    "outputs": {"artifacts"},
    "retryStrategy": {"affinity"},
}


@dataclass(frozen=True, slots=True)
class Output:
    """An output parameter.

    Attributes:
        path: the file that the process writes its value to.
        default: the value when it writes none; None when it has to.
    """

    path: str
    default: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """A container template.

    Attributes:
        inputs: parameter name to its default, None when a value must be given.
    """

    name: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    environment: Mapping[str, str]
    inputs: Mapping[str, str | None]
    outputs: Mapping[str, Output]
    retry: Retry | None


@dataclass(frozen=True, slots=True)
class Task:
    """One task of the DAG.

    Attributes:
        arguments: input parameter of the step to the text that gives its value.
        accepts: task to those of its results that let this one start; one is enough. Empty: it starts at once.
        with_param: text that gives a JSON list, one node per item; None for a single node.
    """

    name: str
    step: Step
    arguments: Mapping[str, str]
    accepts: Mapping[str, set[Status]]
    with_param: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A workflow of one DAG of containers."""

    parameters: Mapping[str, str]
    tasks: tuple[Task, ...]
    parallelism: int | None


def read_plan(manifest: Mapping[str, Any]) -> Plan:
    """Read a Workflow as :func:`workflows.manifest.to_manifest` gives it.

    Raises:
        UnsupportedError: a template, field, expression or reference that cannot be run here, by name.
    """
    check_fields("workflow", manifest, {"apiVersion", "kind", "metadata", "spec"}, ("kind", "spec"))
    if manifest["kind"] != "Workflow":
        raise UnsupportedError(f"the local engine runs a Workflow, not a {manifest['kind']}")
    known = {"arguments", "entrypoint", "parallelism", "templates"} | _CLUSTER_ONLY["workflow"]
    spec = check_fields("workflow spec", manifest["spec"], known, ("entrypoint", "templates"))
    arguments = check_fields("workflow arguments", spec.get("arguments", {}), {"parameters"})
    parameters = {
        name: str(check_fields(f"workflow parameter {name}", parameter, {"name", "value"}, ("value",))["value"])
        for name, parameter in named("workflow parameters", arguments.get("parameters", [])).items()
    }
    templates = named("templates", spec["templates"])
    entry = templates.get(spec["entrypoint"])
    if entry is None:
        raise UnsupportedError(f"entrypoint {spec['entrypoint']}: there is no such template")
    where = f"template {spec['entrypoint']}"
    if "dag" not in check_fields(where, entry, {"name", "dag"}):
        raise UnsupportedError(f"{where}: the local engine starts with a dag")
    steps = {name: _step(name, template) for name, template in templates.items() if template is not entry}
    dag = check_fields(where, entry["dag"], {"tasks"}, ("tasks",))
    tasks = tuple(_task(name, task, steps) for name, task in named(f"tasks of {where}", dag["tasks"]).items())
    plan = Plan(parameters, tasks, spec.get("parallelism"))
    _check_references(plan)
    return plan


def _step(name: str, template: Mapping[str, Any]) -> Step:
    where = f"template {name}"
    known = {"name", "inputs", "outputs", "container", "retryStrategy"} | _CLUSTER_ONLY["template"]
    check_fields(where, template, known, ("container",))
    known = {"command", "args", "env"} | _CLUSTER_ONLY["container"]
    container = check_fields(f"{where}: container", template["container"], known, ("command",))
    inputs = check_fields(f"{where}: inputs", template.get("inputs", {}), {"parameters"})
    outputs = check_fields(f"{where}: outputs", template.get("outputs", {}), {"parameters"} | _CLUSTER_ONLY["outputs"])
    retry = template.get("retryStrategy")
    return Step(
        name,
        command=tuple(container["command"]),
        args=tuple(container.get("args", ())),
        environment={
            key: str(check_fields(f"{where}: env {key}", variable, {"name", "value"}, ("value",))["value"])
            for key, variable in named(f"{where}: env", container.get("env", [])).items()
        },
        inputs={
            key: check_fields(f"{where}: input {key}", parameter, {"name", "default"}).get("default")
            for key, parameter in named(f"{where}: inputs", inputs.get("parameters", [])).items()
        },
        outputs={
            key: _output(f"{where}: output {key}", parameter)
            for key, parameter in named(f"{where}: outputs", outputs.get("parameters", [])).items()
        },
        retry=None
        if retry is None
        else read_retry(
            f"{where}: retryStrategy",
            {key: value for key, value in retry.items() if key not in _CLUSTER_ONLY["retryStrategy"]},
        ),
    )


def _output(where: str, parameter: Mapping[str, Any]) -> Output:
    check_fields(where, parameter, {"name", "valueFrom"}, ("valueFrom",))
    source = check_fields(where, parameter["valueFrom"], {"path", "default"}, ("path",))
    return Output(str(source["path"]), source.get("default"))


def _task(name: str, task: Mapping[str, Any], steps: Mapping[str, Step]) -> Task:
    where = f"task {name}"
    check_fields(where, task, {"name", "template", "arguments", "depends", "withParam"}, ("template",))
    if task["template"] not in steps:
        raise UnsupportedError(f"{where}: there is no container template {task['template']}")
    arguments = check_fields(f"{where}: arguments", task.get("arguments", {}), {"parameters"})
    given = {
        key: str(check_fields(f"{where}: argument {key}", argument, {"name", "value"}, ("value",))["value"])
        for key, argument in named(f"{where}: arguments", arguments.get("parameters", [])).items()
    }
    depends = task.get("depends")
    accepts = {} if depends is None else read_depends(depends, where)
    return Task(name, steps[task["template"]], given, accepts, task.get("withParam"))


def _check_references(plan: Plan) -> None:
    """Every expression has a value by the time it is rendered: Argo's server would say so, Hera does not."""
    tasks = {task.name: task for task in plan.tasks}
    parameters = {f"workflow.parameters.{name}" for name in plan.parameters}
    for task in plan.tasks:
        where = f"task {task.name}"
        for name in task.accepts:
            if name not in tasks:
                raise UnsupportedError(f"{where}: depends on {name}, which is not a task")
        results = {
            f"tasks.{name}.outputs.parameters.{key}" for name in task.accepts for key in tasks[name].step.outputs
        }
        item = {"item"} if task.with_param is not None else set()
        _check(where, task.with_param or "", parameters | results)
        for text in task.arguments.values():
            _check(where, text, parameters | results | item)
        if absent := [k for k, v in task.step.inputs.items() if v is None and k not in task.arguments]:
            raise UnsupportedError(f"{where}: template {task.step.name} wants a value for {', '.join(absent)}")
        if unknown := [name for name in task.arguments if name not in task.step.inputs]:
            raise UnsupportedError(f"{where}: template {task.step.name} has no input {', '.join(unknown)}")
        inputs = {f"inputs.parameters.{name}" for name in task.step.inputs}
        for text in (*task.step.command, *task.step.args, *task.step.environment.values()):
            _check(f"template {task.step.name}", text, parameters | inputs)
    _check_no_circle(tasks)


def _check(where: str, text: str, known: set[str]) -> None:
    for expression in expressions(text, where):
        if expression not in known:
            raise UnsupportedError(f"{where}: {{{{{expression}}}}} has no value here")


def _check_no_circle(tasks: Mapping[str, Task]) -> None:
    settled: set[str] = set()
    while len(settled) < len(tasks):
        ready = {name for name, task in tasks.items() if name not in settled and set(task.accepts) <= settled}
        if not ready:
            raise UnsupportedError(f"tasks wait for each other: {', '.join(sorted(set(tasks) - settled))}")
        settled |= ready
