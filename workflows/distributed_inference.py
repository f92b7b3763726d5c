"""The pipeline: split a dataset into shards, infer every shard by itself, gather one exact result.

Ids travel as parameters, everything else lies in the store below the run's prefix. The same workflow runs on this
machine (``python -m workflows.distributed_inference run``) and on Argo Workflows, 3.7 and 4.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

from hera.workflows import Container, Env, Parameter, Resources, RetryStrategy, Task, Workflow
from hera.workflows.models import (
    ArchiveStrategy,
    Artifact,
    Backoff,
    Metrics,
    NoneStrategy,
    ValueFrom,
)

from imaging_core import run as layout
from workflows import metrics, pod_fields
from workflows.manifest import model
from workflows.parameters import Parameters
from workflows.pods import Pods, pair
from workflows.retry import BACKOFF_FACTOR, BACKOFF_SECONDS, LIMIT, RETRY_EXPRESSION
from workflows.values import RunValues, Values, arguments_for, dag, given, inputs_of

NAME = "distributed-inference"
OUTPUTS = "/tmp/outputs"  # noqa: S108 - a path in the pod; the local engine maps it to a private folder
WITH_MODEL = ("infer", "train")
"""Steps that run on the gpu image."""
SHARD_ENDED = "infer.Succeeded || infer.Failed || infer.Errored"
MEMORY = "2Gi"
STORAGE = "1Gi"
"""Of split and gather."""


def distributed_inference(
    parameters: Parameters, pods: Pods | None = None, missing: Sequence[str] | None = None
) -> Workflow:
    """The workflow of one run.

    Args:
        parameters: what to do.
        pods: where and how its pods run.
        missing: for a run whose split is complete, the shards to infer; None for a new run.
    """
    pods = pods or Pods()
    values = RunValues(parameters, pods)
    steps = inference_steps(parameters, pods, values)
    arguments = {
        "dataset": parameters.dataset,
        "model": parameters.model,
        "run": parameters.run,
        "split": parameters.split,
        "shards": str(parameters.shards),
        "max-failed": parameters.max_failed,
    }
    labels = {"app.kubernetes.io/name": NAME, **dict(pair(text) for text in pods.labels)}
    return Workflow(
        generate_name=f"{NAME}-",
        entrypoint="main",
        parallelism=parameters.parallelism,
        arguments=[Parameter(name=name, value=value) for name, value in arguments.items()],
        metrics=metrics.of_workflow(),
        templates=[dag(pipeline(steps, missing)), *(steps if missing is None else steps[1:])],
        **pod_fields.workflow_fields(pods, labels),
    )


class Steps(NamedTuple):
    """The templates of the pipeline's steps."""

    split: Container
    infer: Container
    gather: Container


def inference_steps(parameters: Parameters, pods: Pods, values: Values) -> Steps:
    """Each step as a container.

    Args:
        parameters: what to do, but for what ``values`` refer to.
        pods: where and how pods run.
        values: of one run, or of a form that is filled in later.
    """
    tolerance = parameters.surface_distances
    split = step(
        "split",
        parameters,
        pods,
        values,
        [
            *given(values, "dataset", "split", "shards", "run"),
            *("--policy", parameters.policy, "--case-names", values.of("case-names", parameters.case_names)),
            *(part for root in parameters.allow_root for part in ("--allow-root", root)),
            *(part for host in parameters.allow_http for part in ("--allow-http", host)),
            *values.record(parameters, pods),
        ],
        module="steps.split_yaml",
        outputs=[output("shard-ids", default=None)],
    )
    infer = step(
        "infer",
        parameters,
        pods,
        values,
        [
            *given(values, "run", "model"),
            *("--shard", "{{inputs.parameters.shard}}"),
            *("--threads-per-step", values.of("threads-per-step", str(parameters.threads_per_step))),
            *("--device", values.of("device", parameters.device)),
            *(["--cache", parameters.cache] if parameters.cache is not None else []),
            *(["--probabilities"] if parameters.probabilities else []),
            *(["--surface-distances", str(tolerance)] if tolerance is not None else []),
            *(["--lesions"] if parameters.lesions else []),
            *(["--dicom-results", parameters.dicom_results] if parameters.dicom_results is not None else []),
            *(["--retry-failed"] if parameters.retry_failed else []),
            *(["--max-pixels", str(parameters.max_pixels)] if parameters.max_pixels is not None else []),
            *(["--max-bytes", str(parameters.max_bytes)] if parameters.max_bytes is not None else []),
        ],
        outputs=[output("done"), output("failed"), output("seconds")],
        measured=metrics.of_infer(values.gpus, values.gpus_held),
        semaphore=pods.semaphore,
    )
    gather = step(
        "gather",
        parameters,
        pods,
        values,
        [
            *given(values, "run", "max-failed"),
            *("--case-names", values.of("case-names", parameters.case_names)),
            *(["--require-one-class"] if parameters.require_one_class else []),
            *(word for text in parameters.require for word in ("--require", text)),
            *(["--no-regression", parameters.no_regression] if parameters.no_regression is not None else []),
            *(["--patient", parameters.patient] if parameters.patient is not None else []),
            *(word for name in parameters.group_by for word in ("--group-by", name)),
            *(word for name in parameters.metric for word in ("--metric", name)),
            *(["--price-per-hour", parameters.price_per_hour] if parameters.price_per_hour is not None else []),
        ],
        outputs=[
            *(output(name) for name in ("expected", "done", "failed", "skipped", "metric")),
            *(output(name, default) for name, default in metrics.OF_GATHER.items()),
            *page(values, pods, "report", "report", layout.REPORT_UI),
        ],
        measured=metrics.of_gather(),
    )
    return Steps(split, infer, gather)


def pipeline(steps: Steps, missing: Sequence[str] | None = None, before: Task | None = None, **own: str) -> list[Task]:
    """The tasks of the entrypoint. Gather runs when every shard has ended, however it ended: it says what is missing.

    Args:
        steps: its templates.
        missing: as in :func:`distributed_inference`.
        before: a task that must have succeeded before a shard is inferred.
        own: values of the inputs of split and infer that are not the DAG's own.
    """
    shards = "{{tasks.split.outputs.parameters.shard-ids}}" if missing is None else json.dumps(list(missing))
    depends = [*([before.name] if before else []), *(["split"] if missing is None else [])]
    each = Task(
        name="infer",
        template=steps.infer.name,
        depends=" && ".join(depends) or None,
        with_param=shards,
        arguments=arguments_for(steps.infer, shard="{{item}}", **own),
    )
    split = Task(name="split", template="split", arguments=arguments_for(steps.split, **own))
    return [
        *([before] if before else []),
        *([split] if missing is None else []),
        *([each] if missing is None or missing else []),
        Task(
            name="gather",
            template="gather",
            depends=SHARD_ENDED if missing is None or missing else None,
            arguments=arguments_for(steps.gather),
        ),
    ]


def step(
    name: str,
    parameters: Parameters,
    pods: Pods,
    values: Values,
    arguments: Sequence[str],
    *,
    outputs: Sequence[Parameter | Artifact] = (),
    module: str | None = None,
    measured: Metrics | None = None,
    semaphore: str | None = None,
) -> Container:
    """A template that calls ``steps.<name>``, or ``module``; its inputs are what its fields refer to."""
    infers = name in WITH_MODEL
    cpu = pods.cpu or str(parameters.threads_per_step)
    threads = str(parameters.threads_per_step)
    if infers:
        threads = values.of("threads-per-step", threads)
    image = pods.images.gpu if infers else pods.images.core
    memory, storage = (pods.memory, pods.ephemeral_storage) if infers else (MEMORY, STORAGE)
    place, gpus, patch = values.place, values.gpus if infers else 0, values.pod_spec_patch if infers else None
    return Container(
        name=name,
        image=image,
        command=["python", "-m", module or f"steps.{name}"],
        args=[*arguments, *(["--outputs", OUTPUTS] if outputs else [])],
        inputs=inputs_of([*arguments, patch, place.key if place else None]) or None,
        outputs=list(outputs) or None,
        env=[
            *(Env(name=f"{library}_NUM_THREADS", value=threads) for library in ("OMP", "MKL", "OPENBLAS")),
            Env(name="PYTHONUNBUFFERED", value="1"),
            *([Env(name="IMAGE_DIGEST", value=image.partition("@")[2])] if "@" in image else []),
            *pod_fields.environment(pods),
        ],
        resources=Resources(
            cpu_request=cpu,
            cpu_limit=cpu,
            memory_request=memory,
            memory_limit=memory,
            ephemeral_request=storage,
            ephemeral_limit=storage,
            gpus=gpus if gpus and str(gpus) == values.gpus_held else None,
        ),
        retry_strategy=RetryStrategy(
            limit=str(LIMIT),
            retry_policy="Always",
            expression=RETRY_EXPRESSION,
            backoff=model(Backoff, duration=f"{BACKOFF_SECONDS}s", factor=str(BACKOFF_FACTOR)),
            affinity=pod_fields.other_node() if pods.retry_other_node else None,
        ),
        metrics=measured,
        synchronization=pod_fields.semaphore(semaphore) if semaphore else None,
        **pod_fields.template_fields(pods, place, storage=storage, gpus=gpus, patch=patch),
    )


def output(name: str, default: str | None = "") -> Parameter:
    """An output parameter; with a default a step that failed is Failed, not in Error for want of it."""
    return Parameter(name=name, value_from=model(ValueFrom, path=f"{OUTPUTS}/{name}", default=default))


def page(values: Values, pods: Pods, name: str, path: str, key: str) -> list[Artifact]:
    """A page for Argo's UI: what a step writes to ``path`` of its outputs is put to ``key`` of the run."""
    if values.place is None:
        return []
    return [
        model(
            Artifact,
            name=name,
            path=f"{OUTPUTS}/{path}",
            optional=True,
            archive=model(ArchiveStrategy, none=model(NoneStrategy)),
            s3=pod_fields.s3_object(pods, values.place.join(key.rstrip("/"))),
        )
    ]


if __name__ == "__main__":
    from steps.command import run_command
    from workflows.command_line import main

    run_command(main)
