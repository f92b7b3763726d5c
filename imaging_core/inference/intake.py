"""How decoded pixels become prepared inputs: on a CPU by the decoding threads, on a GPU by the device."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from imaging_core.decode.case import ModelInput
from imaging_core.decode.sampling import Sampling
from imaging_core.inference.device import Device, device_errors
from imaging_core.inference.preprocess import Preprocess
from imaging_core.models.card import Input

_PARALLEL = 1024 * 1024
"""Elements that PyTorch shares between all threads."""


@dataclass(frozen=True, slots=True)
class Staged:
    """Inputs side by side, where the device can fetch them from.

    Attributes:
        values: n x (depth x) height x width x channels, or prepared.
        sampling: how the patches are still to be made of them.
    """

    values: Tensor
    sampling: Sampling | None = None


class Intake:
    """The way of one model's inputs to its device.

    What waits between :meth:`stage` and :meth:`take` is prepared, and so small, on a CPU; on a GPU it is pinned memory,
    which the device copies by itself. Both are called in :class:`torch.inference_mode`.
    """

    def __init__(self, card: Input, device: Device) -> None:
        self._device = device
        self._prepare = Preprocess(card, device.torch)
        self._ahead = device.torch.type == "cpu"

    def begin_thread(self) -> None:
        """Called first by each thread that computes.

        Its helpers (OpenMP's) start now: where there is no memory for them later, their library ends the process.
        """
        if self._ahead:
            torch.zeros(_PARALLEL).add_(1)

    def check(self, each: ModelInput) -> None:
        """Raise CaseError when the card does not take such an input."""
        self._prepare.check(each.pixels)

    def stage(self, inputs: Sequence[ModelInput]) -> list[Staged]:
        """Inputs ready to be taken, neighbours of one shape and type as one block. For any thread.

        Returns:
            Blocks in the same order, of one input or many along their first axis.

        Raises:
            MemoryError: there is no room.
        """
        blocks = []
        with device_errors():
            for (_, _, sampling), group in itertools.groupby(inputs, key=_likeness):
                values = self._device.stage([each.pixels for each in group])
                blocks.append(Staged(self._prepare(values, sampling)) if self._ahead else Staged(values, sampling))
        return blocks

    def take(self, block: Staged) -> Tensor:
        """The prepared inputs of a block on the device: n x channels x the card's sides, float32."""
        return block.values if self._ahead else self._prepare(self._device.upload(block.values), block.sampling)


def _likeness(each: ModelInput) -> tuple[tuple[int, ...], np.dtype[Any], Sampling | None]:
    """What is the same for all inputs of a block; a patch that is sampled has its own."""
    return each.pixels.shape, each.pixels.dtype, each.sampling
