"""Classification: from the scores of a case's inputs to the scores of the case."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imaging_core.decode.case import Place
from imaging_core.errors import DataError
from imaging_core.inference.device import Device, Download
from imaging_core.inference.head import Outcome, Said
from imaging_core.inference.ledger import shortest
from imaging_core.inference.segmentation import check_finite
from imaging_core.inference.task import Truth
from imaging_core.metrics.classification import decide
from imaging_core.models.card import Card


class ClassificationHead:
    """Makes class scores: of several inputs the mean, exactly summed, rounded to float32 once."""

    figure = "accuracy"

    def __init__(self, card: Card, device: Device) -> None:
        self.card, self.device = card, device
        self.scores: Download
        self.finite: Download

    def receive(self, activated: Tensor, finite: Tensor) -> None:
        """Send the scores of the whole batch to the host at once."""
        self.scores = self.device.download(activated)
        self.finite = self.device.download(finite)

    def begin(self, case: str, size: tuple[int, ...], *, scored: bool) -> "_Scores":  # noqa: ARG002 - the protocol's
        """Start a case."""
        return _Scores(self)

    def recall(self, case: str, size: tuple[int, ...], said: Said) -> "_SealedScores":  # noqa: ARG002 - the protocol's
        """A case whose scores are known."""
        expected = {"scores": ("float32", (self.card.output.channels,))}
        if {name: (values.dtype.name, values.shape) for name, values in said.items()} != expected:
            raise DataError("not the scores of this model's classes")
        known = Download(torch.from_numpy(said["scores"][None]))
        return _SealedScores(self.card, [(known, 0)], [(Download(torch.ones(1, dtype=torch.bool)), 0)])


class _Scores:
    def __init__(self, head: ClassificationHead) -> None:
        self._head = head
        self._scores: list[tuple[Download, int]] = []
        self._finite: list[tuple[Download, int]] = []

    def put(self, slot: int, place: Place) -> None:  # noqa: ARG002 - scores have no place
        self._scores.append((self._head.scores, slot))
        self._finite.append((self._head.finite, slot))

    def seal(self) -> "_SealedScores":
        return _SealedScores(self._head.card, self._scores, self._finite)


@dataclass(frozen=True, slots=True)
class _SealedScores:
    card: Card
    inputs: list[tuple[Download, int]]
    finite: list[tuple[Download, int]]

    @property
    def weight(self) -> int:
        return 0

    def arrive(self) -> None:
        self.finite[-1][0].wait()

    def outcome(self, truth: Truth) -> Outcome:
        check_finite(self.finite)
        scores = tuple(shortest(score) for score in self._means().tolist())
        return Outcome({"scores": scores, "label": truth.label}, figure=self._accuracy(scores, truth.label))

    def said(self) -> Said:
        return {"scores": self._means()}

    def _means(self) -> NDArray[np.float32]:
        if len(self.inputs) == 1:
            ((scores, slot),) = self.inputs
            only: NDArray[np.float32] = scores.wait()[slot]
            return only
        each = [scores.wait()[slot].tolist() for scores, slot in self.inputs]
        return np.array([math.fsum(column) / len(each) for column in zip(*each, strict=True)], np.float32)

    def _accuracy(self, scores: tuple[float, ...], label: tuple[int, ...] | None) -> float | None:
        if label is None:
            return None
        output = self.card.output
        said = decide(output.kind, np.array([scores]), output.threshold)[0]
        said_labels = tuple(np.flatnonzero(said).tolist()) if output.kind == "multilabel" else (int(said),)
        return float(said_labels == label)
