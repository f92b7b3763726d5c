"""Which cases the report shows as pictures: where the model fails, is unsure, and does best."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imaging_core.metrics import counts as c
from imaging_core.metrics.classification import decide
from imaging_core.metrics.columns import ClassificationColumns, SegmentationColumns
from imaging_core.metrics.merge import Merged

MANY, FEW = 6, 3
ALL = MANY + FEW
"""So many cases of a segmentation are shown all, in one group."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Group:
    """Some cases, and why they are shown."""

    title: str
    explanation: str
    rows: tuple[int, ...]


def choose(merged: Merged) -> list[Group]:
    """The groups of cases to show, without empty ones."""
    columns = merged.columns
    if columns is None:
        return []
    if isinstance(columns, SegmentationColumns):
        groups = _by_overlap(columns) if columns.scored.any() else _first_masks(columns)
    else:
        groups = _by_confidence(columns, merged.rows("done"))
    return [group for group in groups if group.rows]


def confidence(columns: ClassificationColumns, rows: Rows) -> NDArray[np.float64]:
    """How sure the model was of what it said of these done cases.

    Multiclass: the score of the class that it named. Binary and multilabel: the mean over the labels of the score of
    what was said, s for present and 1 - s for absent.
    """
    scores = columns.scores[rows]
    if columns.kind == "multiclass":
        return np.asarray(scores.max(axis=1, initial=-np.inf))
    said = scores >= columns.threshold
    return np.asarray(np.where(said, scores, 1 - scores).mean(axis=1))


def _by_overlap(columns: SegmentationColumns) -> list[Group]:
    rows = np.flatnonzero(columns.scored)
    values = c.per_case(c.iou, columns.counts[rows], columns.empty)
    defined = ~np.isnan(values)
    rows = rows[defined][np.argsort(values[defined], kind="stable")]
    n = len(rows)
    if n <= ALL:
        return [Group("All cases, worst first", "Ordered by IoU.", _tuple(rows))]
    middle = max(n // 2 - FEW // 2, MANY)
    return [
        Group("Worst cases", "The lowest IoU. Look here first.", _tuple(rows[:MANY])),
        Group("Typical cases", "Around the median IoU.", _tuple(rows[middle : min(middle + FEW, n - FEW)])),
        Group("Best cases", "The highest IoU.", _tuple(rows[::-1][:FEW])),
    ]


def _first_masks(columns: SegmentationColumns) -> list[Group]:
    rows = [row for row, mask in enumerate(columns.masks) if mask is not None]
    return [Group("First cases", "Predicted outlines; there is no ground truth to compare with.", tuple(rows[:MANY]))]


def _by_confidence(columns: ClassificationColumns, done: Rows) -> list[Group]:
    rows = done[np.argsort(confidence(columns, done), kind="stable")]
    if not columns.scored.any():
        return [Group("Least sure", "The lowest scores of the class that was named.", _tuple(rows[:MANY]))]
    rows = rows[columns.scored[rows]]
    differs = decide(columns.kind, columns.scores[rows], columns.threshold) != columns.labels[rows]
    wrong = differs.any(axis=1) if columns.kind == "multilabel" else differs
    right = rows[~wrong]
    return [
        Group(
            "Confidently wrong",
            "The surest mistakes. Look here first.",
            _tuple(rows[wrong][::-1][:MANY]),
        ),
        Group("Right, but unsure", "Correct with the lowest scores.", _tuple(right[:MANY])),
        Group("Right and sure", "Correct with the highest scores.", _tuple(right[MANY:][::-1][:MANY])),
    ]


def _tuple(rows: Rows) -> tuple[int, ...]:
    return tuple(int(row) for row in rows)
