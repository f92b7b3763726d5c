"""Cards for ONNX files, and the two ways to open one: as a network, and in a trial."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from onnx import ModelProto

from imaging_core.errors import DataError
from imaging_core.models.card import UNPACKED, Card, make_card
from imaging_core.models.onnx.network import OnnxNetwork

SIDE = 32
MakeCard = Callable[..., Card]


@pytest.fixture
def card() -> MakeCard:
    """``card(task, classes)`` for 3 x 32 x 32 images in batches of 4; other entries of the card by name."""

    def make(task: str = "segmentation", classes: int = 1, **changes: Any) -> Card:
        kind = "multiclass" if task == "classification" else "binary" if classes == 1 else "multilabel"
        output = {"kind": kind, "activation": "none", "classes": [f"class {n}" for n in range(classes)]}
        values = {
            "name": "an ONNX model",
            "task": task,
            "architecture": {"name": "onnx", "parameters": changes.pop("parameters", {})},
            "input": {"height": SIDE, "width": SIDE, "channels": 3} | changes.pop("input", {}),
            "batch": 4,
            "output": output | changes.pop("output", {}),
            "weights": UNPACKED.model_dump(),
        }
        return make_card(values | changes, "card")

    return make


@pytest.fixture
def opened() -> Callable[[ModelProto, Card], OnnxNetwork]:
    """The network of a file, on the CPU."""
    return lambda model, card: OnnxNetwork(model.SerializeToString(), card, torch.device("cpu"), "x.onnx")


@pytest.fixture
def refusal(opened: Callable[..., Any]) -> Callable[[ModelProto, Card], str]:
    """What is said of a file that is refused."""

    def say(model: ModelProto, card: Card) -> str:
        with pytest.raises(DataError) as caught:
            opened(model, card)
        message = str(caught.value)
        assert message.startswith("x.onnx: ")
        return message

    return say
