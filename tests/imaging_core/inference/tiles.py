"""A format of tiles, one model input each, and a network that sees how bright they are."""

import struct

import numpy as np
import torch
from torch import nn

from imaging_core.decode.case import Case, CaseError, ModelInput, Place
from imaging_core.inference.task import Task, Truth
from imaging_core.store import Location
from imaging_core.store.memory import MemorySource

SIDE = 16


class Tiles:
    """A format of this test: ``TILE``, rows, columns, seed, how many tiles to give. Each tile is one model input."""

    name = "tiles"
    suffixes = frozenset({".tiles"})
    whole = True

    def __init__(self):
        self.given = 0

    def recognises(self, head):
        return head.startswith(b"TILE")

    def decode(self, sources, channels, limits):  # noqa: ARG002 - the protocol's
        _, rows, columns, seed, good = struct.unpack("4s4I", sources[0].bytes())

        def tiles():
            random = np.random.default_rng(seed)
            for number in range(rows * columns):
                if number == good:
                    raise CaseError("unreadable", f"tile {number} is damaged")
                self.given += 1
                pixels = random.integers(0, 256, (SIDE, SIDE, channels), dtype=np.uint8)
                offset = (number // columns * SIDE, number % columns * SIDE)
                yield ModelInput(pixels, Place(offset, (SIDE, SIDE)))

        return Case((rows * SIDE, columns * SIDE), rows * columns, tiles())


def tiles_of(rows, columns, seed):
    random = np.random.default_rng(seed)
    return [random.integers(0, 256, (SIDE, SIDE, 1), dtype=np.uint8) for _ in range(rows * columns)]


def task(position, rows, columns, good=10**6):
    data = struct.pack("4s4I", b"TILE", rows, columns, position, good)
    return Task(position, f"{position:03d}", (MemorySource(Location.parse(f"{position}.tiles"), data),), Truth())


class Brightness(nn.Module):
    """Two scores: the mean of the pixels and its opposite."""

    def forward(self, batch):
        mean = batch.mean((1, 2, 3)) - 0.5
        return torch.stack([mean, -mean], 1)
