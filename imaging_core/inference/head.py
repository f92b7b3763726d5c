"""What is made of the network's outputs: the part of the pipeline in which the tasks differ."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from imaging_core.decode.case import Place
from imaging_core.decode.slide import TileGrid
from imaging_core.decode.volume import Grid
from imaging_core.inference.task import Truth
from imaging_core.store.base import Data

Said = Mapping[str, NDArray[np.bool_ | np.uint8 | np.float32]]
"""All that the model says of a case, before any ground truth: name to values."""


@dataclass(slots=True)
class Outcome:
    """A case that is done.

    Attributes:
        fields: of its ledger record, beside case, state, provenance, size and inputs.
        files: key below the run to bytes.
        figure: the case's IoU or accuracy, for the log; None without ground truth.
    """

    fields: dict[str, Any]
    files: dict[str, Data] = field(default_factory=dict)
    figure: float | None = None


class Sealed(Protocol):
    """A case whose inputs have all come back; its results may still be on their way to the host."""

    @property
    def weight(self) -> int:
        """Bytes that it holds on the host."""
        ...

    def arrive(self) -> None:
        """Wait until the results are on the host."""
        ...

    def outcome(self, truth: Truth) -> Outcome:
        """Score and encode the results. Runs on another thread than the device's.

        Raises:
            CaseError: the case failed after all.
        """
        ...

    def said(self) -> Said:
        """What the model said, once it has arrived; :meth:`Head.recall` makes the same case of it."""
        ...


class CaseResults(Protocol):
    """The results of one case as they come, on the device."""

    def put(self, slot: int, place: Place) -> None:
        """Take the output in ``slot`` of the batch that the head received last."""
        ...

    def seal(self) -> Sealed:
        """All inputs have come: make the result and start its way to the host."""
        ...


class Head(Protocol):
    """One per run."""

    @property
    def figure(self) -> str:
        """What the log calls a case's figure."""
        ...

    def receive(self, activated: Tensor, finite: Tensor) -> None:
        """Take the outputs of one batch, as :class:`imaging_core.inference.network.Network` gives them."""
        ...

    def begin(
        self, case: str, size: tuple[int, ...], grid: Grid | None, tiles: TileGrid | None = None, *, scored: bool
    ) -> CaseResults:
        """Start a case of this full size, a volume on this grid, a slide with these tiles.

        ``scored`` says that it has a ground truth, or may get one in another run.
        """
        ...

    def recall(self, case: str, size: tuple[int, ...], grid: Grid | None, said: Said) -> Sealed:
        """A case of this full size of which the model said this before; DataError when that does not fit the head."""
        ...
