"""A small workflow that looks, from where pods are, at what a run will need."""

from hera.workflows import DAG, Container, Parameter, Resources, Task, Workflow
from hera.workflows.models import DAGTask, TTLStrategy

from workflows import pod_fields
from workflows.distributed_inference import NAME, OUTPUTS, STORAGE, output
from workflows.manifest import model
from workflows.parameters import Parameters
from workflows.pods import Pods, pair

CHECK_NAME = f"{NAME}-check"
CORE, GPU = "core", "gpu"
DEADLINE_SECONDS = 300
KEPT_SECONDS = 300


def check_workflow(parameters: Parameters, pods: Pods, expected: dict[str, str]) -> Workflow:
    """Two pods, one of each image, with a run's own settings but for GPUs.

    Args:
        parameters: of the run, as pods see them.
        pods: where and how its pods run.
        expected: ``dataset`` and ``model`` to the SHA-256 that pods must find; one that is left out is not looked at.
    """
    looks = [part for name, sha256 in expected.items() for part in _look(parameters, name, sha256)]
    templates = [
        _container(CORE, pods.images.core, ["-m", "steps.check", "--run", parameters.run, *looks], pods),
        _container(GPU, pods.images.gpu, ["-m", "steps.infer", "--help"], pods),
    ]
    tasks: list[Task | DAGTask] = [Task(name=name, template=name) for name in (CORE, GPU)]
    fields = pod_fields.workflow_fields(pods, {"app.kubernetes.io/name": CHECK_NAME, **dict(map(pair, pods.labels))})
    return Workflow(
        generate_name=f"{CHECK_NAME}-",
        entrypoint="main",
        templates=[DAG(name="main", tasks=tasks), *templates],
        **fields
        | {
            "active_deadline_seconds": DEADLINE_SECONDS,
            "ttl_strategy": model(TTLStrategy, seconds_after_completion=KEPT_SECONDS),
        },
    )


def _look(parameters: Parameters, name: str, sha256: str) -> list[str]:
    return [f"--{name}", getattr(parameters, name), f"--{name}-sha256", sha256]


def _container(name: str, image: str, arguments: list[str], pods: Pods) -> Container:
    fields = pod_fields.template_fields(pods, None, storage=STORAGE)
    outputs: list[Parameter] = [output("found", "[]")] if name == CORE else []
    return Container(
        name=name,
        image=image,
        command=["python"],
        args=[*arguments, "--outputs", OUTPUTS] if name == CORE else arguments,
        outputs=outputs or None,
        env=pod_fields.environment(pods),
        resources=Resources(cpu_request="100m", memory_request="256Mi"),
        **fields,
    )
