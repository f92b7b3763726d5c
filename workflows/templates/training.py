"""Training alone, and training that the new model's run follows."""

from hera.workflows import Container, Task, WorkflowTemplate

from workflows.distributed_inference import NAME, inference_steps, pipeline, step
from workflows.templates.site import UNASKED, Site
from workflows.values import arguments_for, given

ASKED = (
    *("dataset", "architecture", "input-size", "channels", "classes", "training-split", "validation-split"),
    *("epochs", "patience", "batch", "learning-rate", "shift", "seed", "device", "threads-per-step"),
)
NETWORK = ("dataset", "runs", "run", "architecture", "input-size", "channels", "classes")
BUNDLE = "model"
"""The bundle's folder, below the run."""


def training(site: Site) -> WorkflowTemplate:
    """Train, and write a model bundle."""
    train = _train(site)
    return site.template(
        f"{NAME}-training",
        "Train a model",
        f"Trains a network on one split of a dataset, stops on another, and writes the bundle to {BUNDLE}/ below the "
        "run, with its learning curves.",
        [_task(train)],
        [train],
        first=(*NETWORK, "device"),
    )


def train_and_infer(site: Site) -> WorkflowTemplate:
    """Train, pack the bundle, split, infer, gather; splitting does not wait for the model."""
    train, steps = _train(site), inference_steps(UNASKED, site.pods, site.values)
    return site.template(
        f"{NAME}-train-and-infer",
        "Train a model and infer with it",
        f"Trains a network, packs it as a bundle in {BUNDLE}/ below the run, and infers another split of the same "
        "dataset with it: one report at the end.",
        pipeline(steps, before=_task(train), model=f"{site.values.of('run')}/{BUNDLE}"),
        [train, *steps],
        first=(*NETWORK, "split", "shards", "device"),
    )


def _train(site: Site) -> Container:
    out = f"{site.values.of('run')}/{BUNDLE}"
    return step("train", UNASKED, site.pods, site.values, [*given(site.values, *ASKED), "--out", out])


def _task(train: Container) -> Task:
    return Task(name="train", template="train", arguments=arguments_for(train))
