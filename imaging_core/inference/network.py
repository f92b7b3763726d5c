"""From a batch of prepared inputs to what the model says of each: forward, activation, a check for NaN."""

import torch
from torch import Tensor, nn

from imaging_core.errors import DataError
from imaging_core.inference.device import Device
from imaging_core.models.card import Card


def channels_last(card: Card) -> torch.memory_format:
    """How inputs and weights of this model lie in memory."""
    return torch.channels_last if card.input.depth is None else torch.channels_last_3d


class Network:
    """A model on its device, in inference mode."""

    def __init__(self, card: Card, module: nn.Module, device: Device) -> None:
        self._card = card
        self._device = device
        self._module = module.to(device.torch, memory_format=channels_last(card)).eval()  # type: ignore[call-overload]

    def __call__(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Run one batch.

        Args:
            batch: batch x channels x (depth x) height x width, float32, of the card's shape.

        Returns:
            The activated output, float32, batch x classes (classification) or batch x classes x (depth x) height x
            width (segmentation; of images the network's own height and width, of patches the card's); and per input
            whether all that the network returned is finite.

        Raises:
            DataError: the network returns another shape than the card says.
        """
        with self._device.autocast():
            returned = self._module(batch)
        returned = returned.to(torch.float32)
        self._check(returned)
        finite = torch.isfinite(returned).flatten(1).all(1)
        match self._card.output.activation:
            case "sigmoid":
                return torch.sigmoid(returned), finite
            case "softmax":
                return torch.softmax(returned, 1), finite
            case _:
                return returned, finite

    def _check(self, returned: Tensor) -> None:
        side = self._card.input
        axes = 2 + len(side.size) * (self._card.task == "segmentation")
        expected: tuple[int, ...] = (self._card.batch, self._card.output.channels)
        if axes == 5:
            expected += side.size
        if returned.ndim != axes or tuple(returned.shape[: len(expected)]) != expected:
            raise DataError(
                f"model {self._card.name!r} returns {tuple(returned.shape)}, but a {self._card.task} model with "
                f"{self._card.output.channels} output channels returns {axes} axes that start with {expected}"
            )
