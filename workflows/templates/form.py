"""What a form of Argo asks for: one description, one default and one list of choices for each parameter."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

from hera.workflows import Parameter

from workflows.parameters import CaseNames, Device
from workflows.pods import Pods

LIMITS = "distributed-inference-limits"
"""The ConfigMap with the site's limits; see manifests/base."""

SEMAPHORE = f"{LIMITS}/infer"
OWN_RUN = "{{workflow.parameters.runs}}/{{workflow.name}}"


@dataclass(frozen=True, slots=True)
class Field:
    """One entry of a form; without a default it has to be filled in."""

    description: str
    default: str | None = None
    choices: tuple[str, ...] = ()


def fields(pods: Pods, runs: str | None) -> dict[str, Field]:
    """Every field that some form has.

    Args:
        pods: their settings, which give defaults.
        runs: the prefix below which runs lie; None leaves it to whoever fills in the form.
    """
    gpus = pods.gpus_of("cuda")
    counted = "one GPU" if gpus == 1 else f"{gpus} GPUs"
    limit, _, key = (pods.semaphore or SEMAPHORE).partition("/")
    return {
        "dataset": Field("The dataset file (DTD): s3://bucket/key.yml. Images are named relative to it."),
        "model": Field("The model bundle, a folder with model.yaml: s3://bucket/key."),
        "runs": Field("The prefix below which each run gets a folder of its own: s3://bucket/key.", runs),
        "run": Field(
            "The folder of this run; as it stands, a fresh one. That of an interrupted run does what it lacks.", OWN_RUN
        ),
        "split": Field("The split to infer; 'all' takes every image.", "test"),
        "shards": Field(
            "How many shards to cut the images into, each a pod. How many of them run at the same time is not asked "
            f"here: Argo takes it from the ConfigMap {limit}, key {key}, for all runs of the namespace together.",
            "8",
        ),
        "device": Field(
            f"cuda asks for {counted} for each pod that infers or trains; cpu and auto ask for none.",
            "cpu",
            get_args(Device),
        ),
        "memory": Field("Memory of each pod that infers or trains, such as 8Gi.", pods.memory),
        "threads-per-step": Field(
            "CPU threads of each pod that infers or trains. Another number may change the last bits of scores.", "1"
        ),
        "max-failed": Field("How many cases may fail before the run is not acceptable: 5, or 2%.", "0"),
        "case-names": Field(
            "Whether reports name cases by file, or by index only: file names may hold patients' names.",
            "file",
            get_args(CaseNames),
        ),
        "architecture": Field(
            "The network: unet, segnet, lenet5, resnet18, … A name that is not known is answered by all that are.",
            "unet",
        ),
        "input-size": Field("Height and width that the network sees, such as 192x192; DEPTHxHEIGHTxWIDTH of unet3d."),
        "channels": Field("1 reads images as grey, 3 as RGB, another number as planes.", "3"),
        "classes": Field(
            "With masks: the names of what they show, separated by commas. Empty: as the dataset says.", ""
        ),
        "training-split": Field("The split that is learned from.", "training"),
        "validation-split": Field("The split that says when to stop.", "validation"),
        "epochs": Field("How often the training images are seen, at most.", "60"),
        "patience": Field("Training stops after so many epochs without progress.", "12"),
        "batch": Field("Images in a batch.", "16"),
        "learning-rate": Field("Of AdamW, at first.", "0.002"),
        "shift": Field("Training images are shifted at random by up to so many pixels.", "0"),
        "seed": Field("Of first weights, order, shifts and dropout: the same seed gives the same model.", "0"),
        "first": Field("The run that the others are compared with: s3://bucket/key."),
        "others": Field("One or more other runs of the same dataset, separated by commas."),
        "patient": Field("The feature that names a case's patient, to draw whole patients. Empty: draws cases.", ""),
        "datasets": Field("The prefix that is looked through for dataset files (*.yml, *.yaml): s3://bucket/key."),
        "what": Field(
            "What goes: whole runs, or of each run only its outputs (masks and maps), probabilities (maps only), logs, "
            "or shards (the run can then be neither gathered again nor compared).",
            "runs",
            ("runs", "outputs", "probabilities", "logs", "shards"),
        ),
        "older-than": Field("Only of runs that began longer ago: 12h, 30d, 8w.", "30d"),
        "keep": Field("So many of the newest runs of each dataset, model and split stay.", "5"),
        "delete": Field("no: only say what would go; yes: remove it.", "no", ("no", "yes")),
        "most": Field("How many new dataset files are inferred at a time; the others wait for the next.", "20"),
    }


def form(known: dict[str, Field], names: Iterable[str]) -> list[Parameter]:
    """The parameters of a WorkflowTemplate, as Argo's form shows them from top to bottom."""
    return [_parameter(name, known[name]) for name in names]


def _parameter(name: str, asked: Field) -> Parameter:
    choices = list(asked.choices) or None
    if asked.default is None:
        return Parameter(name=name, description=asked.description, enum=choices)  # a value of None would be "null"
    return Parameter(name=name, description=asked.description, enum=choices, value=asked.default)
