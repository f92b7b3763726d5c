"""The pipeline: split a dataset into shards, infer every shard by itself, gather one exact result.

Ids travel as parameters, everything else lies in the store below the run's prefix. The same workflow runs on this
machine (``python -m workflows.distributed_inference run``) and on Argo Workflows, 3.7 and 4.
"""

import json
from collections.abc import Sequence

from hera.workflows import DAG, Container, Env, Parameter, Resources, RetryStrategy, Task, Workflow
from hera.workflows.models import (
    ArchiveStrategy,
    Artifact,
    Backoff,
    DAGTask,
    Metrics,
    NoneStrategy,
    ValueFrom,
)

from imaging_core import run as layout
from imaging_core.store import Location
from imaging_core.store.location import S3
from workflows import metrics, pod_fields
from workflows.manifest import model
from workflows.parameters import Parameters
from workflows.pods import Pods, pair
from workflows.retry import BACKOFF_FACTOR, BACKOFF_SECONDS, LIMIT, RETRY_EXPRESSION

NAME = "distributed-inference"
OUTPUTS = "/tmp/outputs"  # noqa: S108 - a path in the pod; the local engine maps it to a private folder
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
    gpus = pods.gpus_of(parameters.device)
    tolerance = parameters.surface_distances
    split = _step(
        "split",
        parameters,
        pods,
        [
            *_given("dataset", "split", "shards", "run"),
            *("--policy", parameters.policy, "--case-names", parameters.case_names),
            *(part for root in parameters.allow_root for part in ("--allow-root", root)),
            *(part for host in parameters.allow_http for part in ("--allow-http", host)),
        ],
        module="steps.split_yaml",
        outputs=[output("shard-ids", default=None)],
    )
    infer = _step(
        "infer",
        parameters,
        pods,
        [
            *_given("run", "model"),
            *("--shard", "{{inputs.parameters.shard}}", "--threads-per-step", str(parameters.threads_per_step)),
            *("--device", parameters.device),
            *(["--cache", parameters.cache] if parameters.cache is not None else []),
            *(["--probabilities"] if parameters.probabilities else []),
            *(["--surface-distances", str(tolerance)] if tolerance is not None else []),
            *(["--lesions"] if parameters.lesions else []),
            *(["--dicom-results", parameters.dicom_results] if parameters.dicom_results is not None else []),
            *(["--retry-failed"] if parameters.retry_failed else []),
            *(["--max-pixels", str(parameters.max_pixels)] if parameters.max_pixels is not None else []),
            *(["--max-bytes", str(parameters.max_bytes)] if parameters.max_bytes is not None else []),
        ],
        inputs=[Parameter(name="shard")],
        outputs=[output("done"), output("failed"), output("seconds")],
        gpus=gpus,
        measured=metrics.of_infer(gpus),
        semaphore=pods.semaphore,
    )
    gather = _step(
        "gather",
        parameters,
        pods,
        [
            *_given("run", "max-failed"),
            *("--case-names", parameters.case_names),
            *(["--require-one-class"] if parameters.require_one_class else []),
            *(word for text in parameters.require for word in ("--require", text)),
            *(["--no-regression", parameters.no_regression] if parameters.no_regression is not None else []),
            *(["--patient", parameters.patient] if parameters.patient is not None else []),
            *(word for name in parameters.group_by for word in ("--group-by", name)),
            *(word for name in parameters.metric for word in ("--metric", name)),
            *(["--price-per-hour", parameters.price_per_hour] if parameters.price_per_hour is not None else []),
        ],
        outputs=[
            *(output(name) for name in ("expected", "done", "failed", "skipped", "missing", "metric", "slowest")),
            *_report(parameters, pods),
        ],
        measured=metrics.of_gather(),
    )
    values = {
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
        arguments=[Parameter(name=name, value=value) for name, value in values.items()],
        metrics=metrics.of_workflow(),
        templates=[_pipeline(split, infer, gather, missing), *([split] if missing is None else []), infer, gather],
        **pod_fields.workflow_fields(pods, labels),
    )


def _pipeline(split: Container, infer: Container, gather: Container, missing: Sequence[str] | None) -> DAG:
    """Gather runs when every shard has ended, however it ended: it says what is missing."""
    shards = "{{tasks.split.outputs.parameters.shard-ids}}" if missing is None else json.dumps(list(missing))
    each = Task(
        name="infer",
        template=infer.name,
        depends="split" if missing is None else None,
        with_param=shards,
        arguments=[Parameter(name="shard", value="{{item}}")],
    )
    tasks: list[Task | DAGTask] = [
        *([Task(name="split", template=split.name)] if missing is None else []),
        *([each] if missing is None or missing else []),
        Task(name="gather", template=gather.name, depends=SHARD_ENDED if missing is None or missing else None),
    ]
    return DAG(name="main", tasks=tasks)


def _step(
    name: str,
    parameters: Parameters,
    pods: Pods,
    arguments: Sequence[str],
    *,
    outputs: Sequence[Parameter | Artifact],
    module: str | None = None,
    inputs: Sequence[Parameter] = (),
    gpus: int = 0,
    measured: Metrics | None = None,
    semaphore: str | None = None,
) -> Container:
    threads = str(parameters.threads_per_step)
    infers = name == "infer"
    cpu = pods.cpu or threads
    image = pods.images.gpu if infers else pods.images.core
    memory, storage = (pods.memory, pods.ephemeral_storage) if infers else (MEMORY, STORAGE)
    return Container(
        name=name,
        image=image,
        command=["python", "-m", module or f"steps.{name}"],
        args=[*arguments, "--outputs", OUTPUTS],
        inputs=list(inputs) or None,
        outputs=list(outputs),
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
            gpus=gpus or None,
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
        **pod_fields.template_fields(pods, Location.parse(parameters.run), storage=storage, gpus=gpus),
    )


def output(name: str, default: str | None = "") -> Parameter:
    """An output parameter; with a default a step that failed is Failed, not in Error for want of it."""
    return Parameter(name=name, value_from=model(ValueFrom, path=f"{OUTPUTS}/{name}", default=default))


def _report(parameters: Parameters, pods: Pods) -> list[Artifact]:
    """The page for Argo's UI: the same bytes that gather writes to the same place in the run, known to Argo."""
    run = Location.parse(parameters.run)
    if run.scheme != S3:
        return []
    return [
        model(
            Artifact,
            name="report",
            path=f"{OUTPUTS}/report",
            optional=True,
            archive=model(ArchiveStrategy, none=model(NoneStrategy)),
            s3=pod_fields.s3_object(pods, run.join(layout.REPORT_UI)),
        )
    ]


def _given(*names: str) -> list[str]:
    """Options whose values are parameters of the workflow, so that they show in Argo's UI."""
    return [part for name in names for part in (f"--{name}", f"{{{{workflow.parameters.{name}}}}}")]


if __name__ == "__main__":
    from steps.command import run_command
    from workflows.command_line import main

    run_command(main)
