"""The fixed-shape batch: inputs of any cases side by side, the rest padded with zeros."""

from collections.abc import Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

from imaging_core.inference.network import channels_last
from imaging_core.models.card import Card

Member = TypeVar("Member")


class Batch(Generic[Member]):
    """Collects prepared inputs until the card's batch is full. The memory is allocated once."""

    def __init__(self, card: Card, device: torch.device) -> None:
        shape = (card.batch, card.input.channels, *card.input.size)
        self._inputs = torch.zeros(shape, device=device).to(memory_format=channels_last(card))
        self._members: list[Member] = []

    def add(self, members: Sequence[Member], prepared: Tensor) -> int:
        """Put inputs (n x channels x the card's sides) into the next places; returns how many there was room for."""
        begin = len(self._members)
        count = min(len(members), len(self._inputs) - begin)
        self._inputs[begin : begin + count] = prepared[:count]
        self._members += members[:count]
        return count

    @property
    def full(self) -> bool:
        """Whether no place is left."""
        return len(self._members) == len(self._inputs)

    def take(self) -> tuple[list[Member], Tensor]:
        """The members, in their places, and the padded inputs; the batch is empty afterwards.

        The inputs are overwritten by the next :meth:`add`, so they must have been queued on the device by then.
        """
        members, self._members = self._members, []
        self._inputs[len(members) :] = 0
        return members, self._inputs

    def __len__(self) -> int:
        return len(self._members)
