"""One case of the report's gallery in words: what it is called, what is true, what the model says."""

from typing import Any

import numpy as np

from imaging_core.metrics import counts as c
from imaging_core.metrics.classification import decide
from imaging_core.metrics.columns import ClassificationColumns, SegmentationColumns
from imaging_core.metrics.merge import Merged
from imaging_core.report.figures import figure, percent
from imaging_core.report.picture import Picture


def describe(merged: Merged, row: int, picture: Picture) -> dict[str, Any]:
    """The template's values of one case.

    ``facts`` are triples of a word, its value and a score (or nothing), ``alt`` describes the picture for who cannot
    see it, ``right`` is None where that is no question.
    """
    columns, images = merged.columns, merged.expected.images
    if isinstance(columns, SegmentationColumns):
        words = _segmentation(columns, row, picture)
    elif isinstance(columns, ClassificationColumns):
        words = _classification(columns, row)
    else:
        words = {"facts": [], "alt": "", "right": None}
    case = merged.expected.id(row)
    return {
        "case": case,
        "name": images[row] if images is not None else None,
        "file": f"{case}.{picture.extension}",
        "picture": picture,
        **words,
        "alt": f"Case {case}. {words['alt']}".strip(),
        "regions": [
            {
                "case": f"{case}-{number}",
                "file": f"{case}-{number}.{part.extension}",
                "picture": part,
                "alt": f"Case {case}: {part.caption}.",
            }
            for number, part in enumerate(picture.regions)
        ],
    }


def _segmentation(columns: SegmentationColumns, row: int, picture: Picture) -> dict[str, Any]:
    facts = []
    if columns.scored[row]:
        for name, ratio in (("IoU", c.iou), ("Dice", c.dice)):
            value = c.per_case(ratio, columns.counts[row : row + 1], columns.empty)[0]
            facts.append((name, figure(None if np.isnan(value) else float(value)), ""))
    areas = [("true", picture.truth_share), ("predicted", picture.predicted_share)]
    shares = [f"{percent(share)} {name}" for name, share in areas if share is not None]
    if picture.slice:
        facts.append(("slice", "{} of {}".format(*picture.slice), ""))
    if shares:
        facts.append(("area", ", ".join(shares), ""))
    panels = [("ground truth", picture.truth), ("prediction", picture.predicted), ("errors", picture.missed)]
    beside = [name for name, path in panels if path is not None]
    outlined = f"The image; beside it {', '.join(beside)}." if beside else "The image."
    measured = ", ".join(f"{name} {value}" for name, value, _ in facts)
    return {"facts": facts, "alt": f"{outlined} {measured}.", "right": None}


def _classification(columns: ClassificationColumns, row: int) -> dict[str, Any]:
    scores = columns.scores[row : row + 1]
    said = decide(columns.kind, scores, columns.threshold)[0]
    if columns.kind == "multilabel":
        true_names = _names(columns, np.flatnonzero(columns.labels[row]))
        said_names = _names(columns, np.flatnonzero(said))
        said_score = true_score = ""
    else:
        label = int(columns.labels[row])
        true_names = columns.classes[label]
        said_names = columns.classes[int(said)]
        said_score = figure(_score(columns, row, int(said)), 3)
        true_score = figure(_score(columns, row, label), 3)
    facts = [("says", said_names, said_score)]
    right = None
    if columns.scored[row]:
        right = bool(np.all(said == columns.labels[row]))
        facts.append(("is", true_names, "" if right else true_score))
    alt = ", ".join(f"{'The model says' if word == 'says' else 'it is'} {value}" for word, value, _ in facts)
    return {"facts": facts, "alt": f"{alt}.", "right": right}


def _names(columns: ClassificationColumns, indices: np.ndarray[tuple[int], np.dtype[np.int64]]) -> str:
    return ", ".join(columns.classes[int(index)] for index in indices) or "none"


def _score(columns: ClassificationColumns, row: int, index: int) -> float:
    """The score of a class; of a binary model's class 0 one minus that of class 1."""
    scores = columns.scores[row]
    if columns.kind != "binary":
        return float(scores[index])
    return float(scores[0] if index == 1 else 1 - scores[0])
