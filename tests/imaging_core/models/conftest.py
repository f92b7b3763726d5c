"""Cards and untrained networks of every architecture."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from imaging_core.models import registry
from imaging_core.models.card import UNPACKED, Card, make_card
from imaging_core.models.initialise import initialise

MakeCard = Callable[..., Card]
MakeModel = Callable[..., tuple[Card, nn.Module]]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Small networks gain nothing from more, and test processes share the cores."""
    torch.set_num_threads(1)


@pytest.fixture
def make_card_of() -> MakeCard:
    """A draft card of an architecture: ``make(name, side=…, channels=…, classes=…, kind=…, **parameters)``."""

    def make(
        name: str, side: int = 32, channels: int = 1, classes: int = 2, kind: str = "multilabel", **own: Any
    ) -> Card:
        depth = side if name in registry.ARCHITECTURES and registry.ARCHITECTURES[name].axes == 3 else None
        values = {
            "name": f"a {name}",
            "task": registry.ARCHITECTURES[name].task if name in registry.ARCHITECTURES else "classification",
            "architecture": {"name": name, "parameters": own},
            "input": {"depth": depth, "height": side, "width": side, "channels": channels},
            "batch": 2,
            "output": {"kind": kind, "activation": "sigmoid", "classes": [f"class {n}" for n in range(classes)]},
            "weights": UNPACKED.model_dump(),
        }
        return make_card(values, "card")

    return make


@pytest.fixture
def make_model(make_card_of: MakeCard) -> MakeModel:
    """A card as ``make_card_of`` makes it, and its network with first weights from seed 0, in eval mode."""

    def make(*args: Any, **kwargs: Any) -> tuple[Card, nn.Module]:
        card = make_card_of(*args, **kwargs)
        return card, initialise(registry.build(card, "card"), seed=0).eval()

    return make
