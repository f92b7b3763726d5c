"""Classification: from the scores of a case's inputs to the scores of the case."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imaging_core.decode.case import Place
from imaging_core.decode.slide import TileGrid
from imaging_core.decode.volume import Grid
from imaging_core.errors import DataError
from imaging_core.inference.decisions import Decisions
from imaging_core.inference.device import Device, Download
from imaging_core.inference.finite import check_finite
from imaging_core.inference.head import CaseResults, Outcome, Said
from imaging_core.inference.slide_classification import SlideScores
from imaging_core.inference.task import Truth
from imaging_core.models.card import Card, Output


class ClassificationHead:
    """Makes class scores: of several inputs the mean, exactly summed, rounded to float32 once."""

    figure = "accuracy"

    def __init__(self, card: Card, device: Device) -> None:
        self.card, self.device = card, device
        self.batch: _Batch

    def receive(self, activated: Tensor, finite: Tensor) -> None:
        """Send the scores of the whole batch to the host at once."""
        self.batch = _Batch(self.card.output, self.device.download(activated), self.device.download(finite))

    def begin(
        self,
        case: str,
        size: tuple[int, ...],  # noqa: ARG002 - the protocol's
        grid: Grid | None,  # noqa: ARG002
        tiles: TileGrid | None = None,
        *,
        scored: bool,  # noqa: ARG002
    ) -> CaseResults:
        """Start a case."""
        if tiles is not None:
            return SlideScores(case, tiles, self.card.output, lambda: (self.batch.scores, self.batch.said_finite))
        return _Scores(self)

    def recall(self, case: str, size: tuple[int, ...], grid: Grid | None, said: Said) -> "_SealedScores":  # noqa: ARG002 - the protocol's
        """A case whose scores are known."""
        output = self.card.output
        expected = {"scores": ("float32", (output.channels,))}
        if {name: (values.dtype.name, values.shape) for name, values in said.items()} != expected:
            raise DataError("not the scores of this model's classes")
        known = _Batch(
            output, Download(torch.from_numpy(said["scores"][None])), Download(torch.ones(1, dtype=torch.bool))
        )
        return _SealedScores(output, [(known, 0)])


class _Batch:
    """The scores of one batch, on their way to the host; what is made of them is made once, for all of its inputs."""

    def __init__(self, output: Output, scores: Download, finite: Download) -> None:
        self._output = output
        self.scores, self.said_finite = scores, finite

    def arrive(self) -> None:
        self.said_finite.wait()  # the flags come after the scores

    @cached_property
    def finite(self) -> list[bool]:
        flags: list[bool] = self.said_finite.wait().tolist()
        return flags

    @cached_property
    def decisions(self) -> Decisions:
        return Decisions(self._output, self.scores.wait())


class _Scores:
    def __init__(self, head: ClassificationHead) -> None:
        self._head = head
        self._inputs: list[tuple[_Batch, int]] = []

    def put(self, slot: int, place: Place) -> None:  # noqa: ARG002 - scores have no place
        self._inputs.append((self._head.batch, slot))

    def seal(self) -> "_SealedScores":
        return _SealedScores(self._head.card.output, self._inputs)


@dataclass(slots=True)
class _SealedScores:
    output: Output
    inputs: list[tuple[_Batch, int]]
    weight = 0

    def arrive(self) -> None:
        self.inputs[-1][0].arrive()

    def outcome(self, truth: Truth) -> Outcome:
        check_finite([batch.finite[slot] for batch, slot in self.inputs])
        if len(self.inputs) == 1:
            ((batch, row),) = self.inputs
            decisions = batch.decisions
        else:
            decisions, row = Decisions(self.output, self._means()[None]), 0
        figure = None if truth.label is None else float(decisions.labels[row] == truth.label)
        return Outcome({"scores": decisions.scores[row], "label": truth.label}, figure=figure)

    def said(self) -> Said:
        return {"scores": self._means()}

    def _means(self) -> NDArray[np.float32]:
        if len(self.inputs) == 1:
            ((batch, slot),) = self.inputs
            only: NDArray[np.float32] = batch.scores.wait()[slot]
            return only
        each = [batch.scores.wait()[slot].tolist() for batch, slot in self.inputs]
        return np.array([math.fsum(column) / len(each) for column in zip(*each, strict=True)], np.float32)
