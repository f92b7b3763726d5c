"""From the outputs of a case's inputs to one result at the case's full size, on the device."""

from collections.abc import Callable

import torch
from torch import Tensor

from imaging_core.decode.case import Place
from imaging_core.decode.volume import Grid
from imaging_core.models.card import Output
from imaging_core.transforms.resize import interpolate


class Canvas:
    """What a model says of one case, put together at its full size as it comes.

    Args:
        size: the case's; of a volume, as the model sees it.
        keep: makes of an input's probability maps, at the size of its place, what is kept of them.
    """

    def __init__(self, size: tuple[int, ...], keep: Callable[[Tensor], Tensor]) -> None:
        self._size, self._keep = size, keep
        self._kept: Tensor | None = None

    def put(self, output: Tensor, place: Place) -> None:
        """Resize the map of one input (classes x height x width) to its place, bilinearly, and write it there.

        Inputs come in their order, so that where places overlap the later one counts.
        """
        height, width = place.extent[-2:]
        kept = self._keep(interpolate(output[None], (height, width), "bilinear")[0])
        classes = kept.shape[:-2]
        if self._kept is None:
            if place.extent == self._size:
                self._kept = kept
                return
            self._kept = kept.new_zeros((*classes, *self._size))
        where = [...] + [
            slice(offset, offset + extent) for offset, extent in zip(place.offset, place.extent, strict=True)
        ]
        self._kept[tuple(where)] = kept.reshape(*classes, *place.extent)

    @property
    def whole(self) -> Tensor:
        """What was kept, (classes x) full size."""
        if self._kept is None:
            raise ValueError("no input has been put")
        return self._kept


def as_stored(seen: Tensor, grid: Grid) -> Tensor:
    """What lies on a volume as the model sees it, (classes x) slices x rows x columns, turned onto its own voxels."""
    classes = seen.ndim - 3
    upright = seen.flip([classes + axis for axis, flipped in enumerate(grid.flipped) if flipped])
    return upright.permute(*range(classes), *(classes + grid.axes.index(axis) for axis in range(3))).contiguous()


def to_mask(maps: Tensor, output: Output) -> Tensor:
    """What a model says, pixel by pixel.

    Args:
        maps: probabilities, classes x size.
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
