"""What the ledgers say of every case, as compact columns, and the scored cases among them.

Rows are the expected cases, ascending by id.
"""

import numpy as np
from numpy.typing import NDArray

from imaging_core.inference.ledger import Record
from imaging_core.metrics.classification import ClassificationCases, Kind
from imaging_core.metrics.measured import MeasuredColumns
from imaging_core.metrics.segmentation import SegmentationCases, empty_policy
from imaging_core.models.card import Card


class ClassificationColumns:
    """Labels and scores.

    Attributes:
        kind: of the model's output.
        classes: two for a binary model.
        score_names: the class that each column of ``scores`` is about; for a binary model the positive one.
        labels: class index per row, -1 without ground truth; for multilabel bool, rows x classes.
        scores: float64, rows x score_names; NaN where the case is not done.
        scored: which rows are done and have a ground truth.
        threshold: the card's.
        probabilities: whether scores are probabilities, by the card's activation.
    """

    def __init__(self, card: Card, rows: int) -> None:
        self.kind: Kind = card.output.kind
        self.classes = two_classes(card) if self.kind == "binary" else card.output.classes
        self.score_names = self.classes[1:] if self.kind == "binary" else self.classes
        self.threshold = card.output.threshold
        self.probabilities = card.output.activation in ("sigmoid", "softmax")
        self.scored = np.zeros(rows, dtype=np.bool_)
        self.scores = np.full((rows, len(self.score_names)), np.nan)
        self.labels: NDArray[np.int64] | NDArray[np.bool_]
        if self.kind == "multilabel":
            self.labels = np.zeros((rows, len(self.classes)), dtype=np.bool_)
        else:
            self.labels = np.full(rows, -1, dtype=np.int64)

    def put(self, row: int, record: Record) -> None:
        """Take over a done record; ValueError when it does not fit the model."""
        if record.scores is None or len(record.scores) != self.scores.shape[1]:
            raise ValueError(f"{len(record.scores or ())} scores where the model has {self.scores.shape[1]}")
        self.scores[row] = record.scores
        if record.label is None:
            return
        if record.label and max(record.label) >= len(self.classes):
            raise ValueError(f"label {max(record.label)} where the model has classes 0 to {len(self.classes) - 1}")
        if self.kind == "multilabel":
            self.labels[row, list(record.label)] = True
        elif len(record.label) == 1:
            self.labels[row] = record.label[0]
        else:
            raise ValueError(f"{len(record.label)} labels where the model gives each case exactly one")
        self.scored[row] = True

    def cases(self, among: NDArray[np.bool_] | None = None) -> ClassificationCases:
        """The scored cases, of all rows or of those marked."""
        keep = self.scored if among is None else self.scored & among
        return ClassificationCases(
            self.kind,
            len(self.classes),
            self.labels[keep],
            self.scores[keep],
            threshold=self.threshold,
            probabilities=self.probabilities,
        )


class SegmentationColumns:
    """Confusion counts.

    Attributes:
        classes: of a binary model the positive one.
        indices: the class index of each of ``classes`` in ledger lines.
        exclusive: whether every pixel is of exactly one of them.
        empty: what a class is worth in a case where neither side has it.
        counts: int64, rows x classes x 4 (TP, FP, FN, TN).
        deephealth: int64, rows x 2 (intersection, union); -1 where unknown.
        measured: surfaces and lesions, where they were asked for.
        masks: key of the predicted mask below the run, None where there is none.
        scored: which rows are done and have a ground truth.
    """

    def __init__(self, card: Card, rows: int) -> None:
        binary = card.output.kind == "binary"
        self.exclusive = card.output.kind == "multiclass"
        self.classes = two_classes(card)[1:] if binary else card.output.classes
        self.indices = (1,) if binary else tuple(range(len(self.classes)))
        self.empty = empty_policy(len(self.classes))
        self.scored = np.zeros(rows, dtype=np.bool_)
        self.counts = np.zeros((rows, len(self.classes), 4), dtype=np.int64)
        self.deephealth = np.full((rows, 2), -1, dtype=np.int64)
        self.measured = MeasuredColumns(rows, self.indices)
        self.masks: list[str | None] = [None] * rows

    def put(self, row: int, record: Record) -> None:
        """Take over a done record; ValueError when it does not fit the model."""
        self.masks[row] = record.outputs.get("mask")
        if record.counts is None:
            return
        if tuple(sorted(record.counts)) != self.indices:
            raise ValueError(f"counts of classes {sorted(record.counts)} where the model has {list(self.indices)}")
        of = record.counts
        self.counts[row] = [(of[k].tp, of[k].fp, of[k].fn, of[k].tn) for k in self.indices]
        if record.deephealth is not None:
            self.deephealth[row] = record.deephealth
        self.measured.put(row, record)
        self.scored[row] = True

    def cases(self, among: NDArray[np.bool_] | None = None) -> SegmentationCases:
        """The scored cases, of all rows or of those marked."""
        keep = self.scored if among is None else self.scored & among
        measured = self.measured.of(keep, self.scored)
        return SegmentationCases(self.counts[keep], self.deephealth[keep], self.empty, self.exclusive, measured)


def two_classes(card: Card) -> tuple[str, ...]:
    """Names of both classes of a binary model; a card may name the positive one only."""
    names = card.output.classes
    return names if len(names) == 2 else (f"not {names[0]}", names[0])


def columns_for(card: Card, rows: int) -> ClassificationColumns | SegmentationColumns:
    """Empty columns for what this model says."""
    return ClassificationColumns(card, rows) if card.task == "classification" else SegmentationColumns(card, rows)
