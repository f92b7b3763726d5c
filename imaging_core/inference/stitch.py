"""From the outputs of a case's inputs to one result at the case's full size, on the device."""

import torch
from torch import Tensor

from imaging_core.decode.case import Place
from imaging_core.models.card import Output
from imaging_core.transforms.resize import interpolate


class Canvas:
    """The probability maps of one case, put together at its full size as they come."""

    def __init__(self, size: tuple[int, ...]) -> None:
        self._size = size
        self._maps: Tensor | None = None

    def put(self, output: Tensor, place: Place) -> None:
        """Resize the map of one input (classes x height x width) to its place, bilinearly, and write it there.

        Inputs come in their order, so that where places overlap the later one counts.
        """
        height, width = place.extent[-2:]
        resized = interpolate(output[None], (height, width), "bilinear")[0]
        if self._maps is None:
            if place.extent == self._size:
                self._maps = resized
                return
            self._maps = output.new_zeros((output.shape[0], *self._size))
        where = [slice(offset, offset + extent) for offset, extent in zip(place.offset, place.extent, strict=True)]
        self._maps[(slice(None), *where)] = resized.reshape(output.shape[0], *place.extent)

    @property
    def maps(self) -> Tensor:
        """The probabilities, classes x full size."""
        if self._maps is None:
            raise ValueError("no input has been put")
        return self._maps


def to_mask(maps: Tensor, output: Output) -> Tensor:
    """What a model says, pixel by pixel.

    Args:
        maps: classes x size, as :class:`Canvas` gives them.
        output: the card's.

    Returns:
        binary: bool, of the size; multilabel: bool, classes x size; both true at or above the threshold.
        multiclass: uint8, of the size: the first class with the largest value.
    """
    match output.kind:
        case "binary":
            return maps[0] >= output.threshold
        case "multilabel":
            return maps >= output.threshold
        case _:
            return maps.argmax(0).to(torch.uint8)
