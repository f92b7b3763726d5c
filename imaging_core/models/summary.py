"""What is in a network, layer by layer, worked out from shapes alone."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from imaging_core.errors import DataError
from imaging_core.models import registry
from imaging_core.models.card import ONNX, Card


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer that has no layers of its own.

    Attributes:
        name: as in the state_dict.
        kind: PyTorch's name of it.
        output: the shape of what it returned last, for one image.
        parameters: how many numbers training changes.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int


def layers(card: Card, where: str) -> list[Layer]:
    """The layers in the order in which one image passes through them; DataError as of ``registry.build``."""
    model = registry.build(card, where).eval()
    seen: dict[str, Layer] = {}

    def remember(name: str, module: nn.Module, output: Tensor) -> None:
        count = sum(each.numel() for each in module.parameters())
        seen[name] = Layer(name, type(module).__name__, tuple(output.shape[1:]), count)

    for name, module in model.named_modules():
        if not any(True for _ in module.children()):
            module.register_forward_hook(lambda module, _, output, name=name: remember(name, module, output))
    with torch.inference_mode():
        model(torch.empty(_shape(card, 1), device="meta"))
    return list(seen.values())


def parameter_count(model: nn.Module) -> int:
    """How many numbers training changes."""
    return sum(each.numel() for each in model.parameters())


def try_out(model: nn.Module, card: Card, where: str) -> None:
    """Infer one black image; DataError when what comes back is not what the card promises."""
    device = next(model.parameters()).device
    with torch.inference_mode():
        output = model.eval()(torch.zeros(_shape(card, 1), device=device))
    promised: tuple[int, ...] = (1, card.output.channels)
    if card.task == "segmentation":
        promised += card.input.size
    if tuple(output.shape) != promised:
        raise DataError(f"{where}: one image gives an output of shape {tuple(output.shape)}, the card says {promised}")
    if not bool(torch.isfinite(output).all()):
        raise DataError(f"{where}: one black image gives values that are not finite; these weights are of no use")


def describe(card: Card, digest: str, model: nn.Module, where: str) -> dict[str, Any]:
    """A verified bundle as plain values: digest, card, number of parameters; layers, or what is in the ONNX file."""
    said = {"sha256": digest, "card": card.model_dump(mode="json")}
    if card.architecture.name == ONNX:
        from imaging_core.models.onnx.network import OnnxNetwork

        if isinstance(model, OnnxNetwork):
            graph = asdict(model.graph)
            return said | {"parameters": graph.pop("parameters"), "onnx": graph}
    return said | {
        "parameters": parameter_count(model),
        "layers": [asdict(layer) for layer in layers(card, where)],
    }


def _shape(card: Card, images: int) -> tuple[int, ...]:
    return (images, card.input.channels, *card.input.size)
