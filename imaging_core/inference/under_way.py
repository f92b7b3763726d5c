"""A case between its decoding and its result, and its inputs on their way to the device."""

import threading
from dataclasses import dataclass

from imaging_core.decode.case import ModelInput, Place
from imaging_core.decode.slide import TileGrid
from imaging_core.decode.volume import Grid
from imaging_core.inference.head import CaseResults, Sealed
from imaging_core.inference.intake import Staged
from imaging_core.inference.task import Task


class OpenCase:
    """A case that was decoded and whose last input has not come back.

    Attributes:
        task: what it is.
        size: its spatial size in pixels.
        count: how many inputs it has.
        grid: of a volume, how its inputs lie on its voxels.
        tiles: of a slide, how its tiles lie.
        results: what has come back so far; None before the first.
        put: how many of its inputs have come back.
        failed: whether no more is to be made of it.
    """

    __slots__ = ("_lock", "count", "failed", "grid", "put", "results", "size", "task", "tiles")

    def __init__(
        self,
        task: Task,
        size: tuple[int, ...],
        count: int,
        grid: Grid | None = None,
        tiles: TileGrid | None = None,
    ) -> None:
        self.task, self.size, self.count, self.grid, self.tiles = task, size, count, grid, tiles
        self.results: CaseResults | None = None
        self.put = 0
        self.failed = False
        self._lock = threading.Lock()

    def fail(self) -> bool:
        """No more is made of this case; whether that is new, so that its failure is to be told."""
        with self._lock:
            before, self.failed = self.failed, True
        return not before


Member = tuple[OpenCase, Place]
"""An input: its case, and where it lies in it."""


@dataclass(slots=True)
class Decoded:
    """An input as it was decoded."""

    case: OpenCase
    input: ModelInput


@dataclass(slots=True)
class Block:
    """Inputs of one shape, staged for the device side by side."""

    members: list[Member]
    staged: Staged


@dataclass(slots=True)
class Complete:
    """A case whose inputs have all come back."""

    case: OpenCase
    sealed: Sealed
