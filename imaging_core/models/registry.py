"""The allow-list of architectures: a new one is one file and one line here."""

from typing import Any

import torch
from pydantic import ValidationError
from torch import nn

from imaging_core.errors import DataError, listing
from imaging_core.models.architecture import AnyArchitecture, Parameters, UnfitInputError
from imaging_core.models.card import ONNX, Card
from imaging_core.models.lenet import LENET5
from imaging_core.models.resnet import RESNET18, RESNET50, RESNET152
from imaging_core.models.segnet import SEGNET
from imaging_core.models.unet import UNET
from imaging_core.models.unet3d import UNET_3D
from imaging_core.models.vgg import VGG_16

ARCHITECTURES: dict[str, AnyArchitecture] = {
    "lenet5": LENET5,
    "resnet18": RESNET18,
    "resnet50": RESNET50,
    "resnet152": RESNET152,
    "segnet": SEGNET,
    "unet": UNET,
    "unet3d": UNET_3D,
    "vgg16": VGG_16,
}


def find(name: str, where: str) -> AnyArchitecture:
    """The architecture of that name; DataError naming ``where`` and those that there are."""
    if name == ONNX:
        raise DataError(f"{where}: architecture.name: onnx is packed of a file, which has its weights in it")
    if name not in ARCHITECTURES:
        raise DataError(f"{where}: architecture.name: {name!r} is not known; known: {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]


def build(card: Card, where: str) -> nn.Module:
    """The network that a card describes, on PyTorch's meta device: names, shapes and dtypes, no memory.

    Raises:
        DataError: the architecture is not known, is made for another task, has no such parameter, or cannot take inputs
            of the card's size; ``where`` names the card.
    """
    architecture = find(card.architecture.name, where)
    if architecture.task != card.task:
        fitting = [name for name, each in ARCHITECTURES.items() if each.task == card.task]
        raise DataError(
            f"{where}: {card.architecture.name} is made for {architecture.task}, the card's task is {card.task}; "
            f"for {card.task}: {', '.join(fitting)}"
        )
    if len(card.input.size) != architecture.axes:
        wrong = "patches of volumes; give input.depth" if architecture.axes == 3 else "images; leave input.depth out"
        raise DataError(f"{where}: {card.architecture.name} takes {wrong}")
    parameters = _parameters(architecture, card, where)
    try:
        with torch.device("meta"):
            return architecture.build(card.input, card.output.channels, parameters)
    except UnfitInputError as error:
        raise DataError(f"{where}: {card.architecture.name}: {error}") from error


def resolved(card: Card, where: str) -> Card:
    """The card with all of its architecture's own parameters spelt out: later defaults cannot change what it means."""
    parameters = _parameters(find(card.architecture.name, where), card, where).model_dump()
    return card.model_copy(update={"architecture": card.architecture.model_copy(update={"parameters": parameters})})


def describe_parameters(architecture: AnyArchitecture) -> dict[str, dict[str, Any]]:
    """Name to the JSON schema (type, range, choices, default, description) of each of its own parameters."""
    properties: dict[str, dict[str, Any]] = architecture.parameters.model_json_schema().get("properties", {})
    return {
        name: {key: value for key, value in schema.items() if key != "title"} for name, schema in properties.items()
    }


def _parameters(architecture: AnyArchitecture, card: Card, where: str) -> Parameters:
    try:
        parameters: Parameters = architecture.parameters.model_validate(card.architecture.parameters)
    except ValidationError as error:
        allowed = ", ".join(architecture.parameters.model_fields) or "none"
        problems = []
        for each in error.errors():
            message = "no such parameter" if each["type"] == "extra_forbidden" else each["msg"]
            problems.append(f"architecture.parameters.{'.'.join(map(str, each['loc']))}: {message}")
        title = f"{where} ({card.architecture.name} takes: {allowed})"
        raise DataError(listing(title, problems)) from error
    return parameters
