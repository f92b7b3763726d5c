"""How decoded pixels become prepared inputs: on a CPU by the decoding threads, on a GPU by the device."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from imaging_core.decode.case import Pixels
from imaging_core.inference.device import Device, device_errors
from imaging_core.inference.preprocess import Preprocess
from imaging_core.models.card import Input

_PARALLEL = 1024 * 1024
"""Elements that PyTorch shares between all threads."""


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

    def stage(self, pixels: Sequence[Pixels]) -> list[Tensor]:
        """Images ready to be taken, neighbours of one shape and type as one block. For any thread.

        Args:
            pixels: each height x width x channels.

        Returns:
            Blocks in the same order, of one image or many along their first axis.

        Raises:
            MemoryError: there is no room.
        """
        alike = [list(group) for _, group in itertools.groupby(pixels, key=lambda each: (each.shape, each.dtype))]
        with device_errors():
            staged = [self._device.stage(group) for group in alike]
            return [self._prepare(block) for block in staged] if self._ahead else staged

    def take(self, block: Tensor) -> Tensor:
        """The prepared inputs of a block on the device: n x channels x height x width of the card, float32."""
        return block if self._ahead else self._prepare(self._device.upload(block))
