"""The pipeline: split a dataset into shards, infer every shard by itself, gather one exact result.

Ids travel as parameters, everything else lies in the store below the run's prefix. The same workflow runs on this
machine (``python -m workflows.distributed_inference run``) and on Argo Workflows, 3.7 and 4.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from hera.workflows import DAG, Container, Env, Parameter, Resources, RetryStrategy, Task, Workflow
from hera.workflows.models import Backoff, DAGTask, ValueFrom

from imaging_core import __version__
from workflows.manifest import model
from workflows.parameters import Parameters
from workflows.retry import BACKOFF_FACTOR, BACKOFF_SECONDS, LIMIT, RETRY_EXPRESSION

NAME = "distributed-inference"
SHARD_IDS = "/tmp/shard-ids.json"  # noqa: S108 - a path in the pod; the local engine maps it to a private file
SHARD_ENDED = "infer.Succeeded || infer.Failed || infer.Errored"
MEMORY = {"split": "2Gi", "infer": "4Gi", "gather": "2Gi"}


@dataclass(frozen=True, slots=True)
class Images:
    """The container images: ``core`` for split and gather (without torch), ``gpu`` for infer."""

    core: str
    gpu: str

    @classmethod
    def under(cls, prefix: str) -> "Images":
        """``registry/project:tag`` gives registry/project/core:tag and …/gpu:tag; the tag defaults to our version."""
        folder, colon, tag = prefix.rpartition(":")
        if not colon or "/" in tag:
            folder, tag = prefix, __version__
        return cls(core=f"{folder}/core:{tag}", gpu=f"{folder}/gpu:{tag}")


DEFAULT_IMAGES = Images.under("localhost/distributed-medical-inference")


def distributed_inference(
    parameters: Parameters, images: Images = DEFAULT_IMAGES, missing: Sequence[str] | None = None
) -> Workflow:
    """The workflow of one run.

    Args:
        parameters: what to do.
        images: what each step runs in.
        missing: for a run whose split is complete, the shards to infer; None for a new run.
    """
    split = _step(
        "split",
        parameters,
        images.core,
        [
            *_given("dataset", "split", "shards", "run"),
            *("--policy", parameters.policy, "--case-names", parameters.case_names, "--shard-ids", SHARD_IDS),
            *(part for root in parameters.allow_root for part in ("--allow-root", root)),
            *(part for host in parameters.allow_http for part in ("--allow-http", host)),
        ],
        module="steps.split_yaml",
        outputs=[Parameter(name="shard-ids", value_from=model(ValueFrom, path=SHARD_IDS))],
    )
    infer = _step(
        "infer",
        parameters,
        images.gpu,
        [
            *_given("run", "model"),
            *("--shard", "{{inputs.parameters.shard}}", "--threads-per-step", str(parameters.threads_per_step)),
            *("--device", parameters.device),
            *(["--cache", parameters.cache] if parameters.cache is not None else []),
            *(["--probabilities"] if parameters.probabilities else []),
            *(["--retry-failed"] if parameters.retry_failed else []),
            *(["--max-pixels", str(parameters.max_pixels)] if parameters.max_pixels is not None else []),
            *(["--max-bytes", str(parameters.max_bytes)] if parameters.max_bytes is not None else []),
        ],
        inputs=[Parameter(name="shard")],
        gpus=1 if parameters.device == "cuda" else None,
    )
    gather = _step(
        "gather",
        parameters,
        images.core,
        [
            *_given("run", "max-failed"),
            *("--case-names", parameters.case_names),
            *(["--require-one-class"] if parameters.require_one_class else []),
        ],
    )
    values = {
        "dataset": parameters.dataset,
        "model": parameters.model,
        "run": parameters.run,
        "split": parameters.split,
        "shards": str(parameters.shards),
        "max-failed": parameters.max_failed,
    }
    return Workflow(
        generate_name=f"{NAME}-",
        labels={"app.kubernetes.io/name": NAME},
        entrypoint="main",
        parallelism=parameters.parallelism,
        arguments=[Parameter(name=name, value=value) for name, value in values.items()],
        templates=[_pipeline(split, infer, gather, missing), *([split] if missing is None else []), infer, gather],
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
    image: str,
    arguments: Sequence[str],
    *,
    module: str | None = None,
    inputs: Sequence[Parameter] = (),
    outputs: Sequence[Parameter] = (),
    gpus: int | None = None,
) -> Container:
    threads = str(parameters.threads_per_step)
    return Container(
        name=name,
        image=image,
        command=["python", "-m", module or f"steps.{name}"],
        args=list(arguments),
        inputs=list(inputs) or None,
        outputs=list(outputs) or None,
        env=[
            *(Env(name=f"{library}_NUM_THREADS", value=threads) for library in ("OMP", "MKL", "OPENBLAS")),
            Env(name="PYTHONUNBUFFERED", value="1"),
        ],
        resources=Resources(
            cpu_request=parameters.threads_per_step,
            cpu_limit=parameters.threads_per_step,
            memory_request=MEMORY[name],
            memory_limit=MEMORY[name],
            gpus=gpus,
        ),
        retry_strategy=RetryStrategy(
            limit=str(LIMIT),
            retry_policy="Always",
            expression=RETRY_EXPRESSION,
            backoff=model(Backoff, duration=f"{BACKOFF_SECONDS}s", factor=str(BACKOFF_FACTOR)),
        ),
    )


def _given(*names: str) -> list[str]:
    """Options whose values are parameters of the workflow, so that they show in Argo's UI."""
    return [part for name in names for part in (f"--{name}", f"{{{{workflow.parameters.{name}}}}}")]


if __name__ == "__main__":
    from steps.command import run_command
    from workflows.command_line import main

    run_command(main)
