"""The figures of a classification: ROC, precision and recall, calibration, scores."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from imaging_core.metrics.calibration import confidences
from imaging_core.metrics.classification import ClassificationCases
from imaging_core.metrics.curves import Points, precision_recall, reliability, roc
from imaging_core.report.figures import figure, percent
from imaging_core.report.plots import BINS, REFERENCE, SERIES, Key, Plot, draw, line, series

Asked = tuple[str, NDArray[np.bool_], NDArray[np.float64], dict[str, float | None]]
"""A class against the rest: its name, the truth and the score of each case, and its metrics by name."""


def classification_plots(cases: ClassificationCases, document: Mapping[str, Any]) -> list[Plot]:
    """Every figure for which there are cases, and the metric that it shows.

    Args:
        cases: the scored ones.
        document: the values of ``metrics.json``.
    """
    if not len(cases):
        return []
    metrics = document["metrics"]
    asked = _asked(cases, document) if "auroc" in metrics else []
    shown = sorted(asked, key=lambda each: each[3]["auroc"] or 0.0)[:SERIES] if len(asked) > SERIES else asked
    few = f" The {SERIES} classes of the lowest AUROC, of {len(asked)}." if len(asked) > SERIES else ""
    plots = [_roc(shown, few)] if shown else []
    if shown and "average_precision" in metrics:
        plots.append(_precision_recall(shown, few))
    if cases.probabilities and "calibration_error" in metrics:
        plots.append(_calibration(cases, document, [name for name, *_ in shown] or document["classes"][:SERIES]))
    return [*plots, _scores(cases, document)]


def _asked(cases: ClassificationCases, document: Mapping[str, Any]) -> list[Asked]:
    names, metrics, rows = document["classes"], document["metrics"], document["per_class"]
    if cases.kind == "binary":
        values = {name: value["pooled"] for name, value in metrics.items()}
        asked: list[Asked] = [(names[1], cases.labels == 1, cases.scores[:, 0], values)]
    else:
        asked = [(names[k], cases.truth[:, k], cases.scores[:, k], rows[k]) for k in range(cases.classes)]
    return [each for each in asked if each[3]["auroc"] is not None]


def _roc(shown: list[Asked], few: str) -> Plot:
    def fill(axes: Axes) -> None:
        _square(axes)
        axes.plot([0, 1], [0, 1], **REFERENCE)
        for number, (_, positive, scores, _) in enumerate(shown):
            axes.plot(*_points(roc(positive, scores)), **line(number))

    keys = _keys(shown, "auroc")
    return Plot(
        "ROC",
        draw("roc", "1 \N{MINUS SIGN} specificity", "sensitivity", fill),
        f"ROC curves. Area of {_listed(keys)}.",
        (*keys, Key("chance")),
        f"The nearer to the upper left corner the better.{few}",
    )


def _precision_recall(shown: list[Asked], few: str) -> Plot:
    alone = [float(positive.mean()) for _, positive, _, _ in shown] if len(shown) == 1 else []

    def fill(axes: Axes) -> None:
        _square(axes)
        for number, (_, positive, scores, _) in enumerate(shown):
            axes.step(*_points(precision_recall(positive, scores)), where="pre", **line(number))
        for share in alone:
            axes.axhline(share, **REFERENCE)

    keys = _keys(shown, "average_precision")
    chance = [Key("chance", percent(share)) for share in alone]
    return Plot(
        "Precision and recall",
        draw("precision-recall", "recall (sensitivity)", "precision", fill),
        f"Precision-recall curves. Average precision of {_listed(keys)}.",
        (*keys, *chance),
        f"The nearer to the upper right corner the better; shows what a rare class costs in false alarms.{few}",
    )


def _calibration(cases: ClassificationCases, document: Mapping[str, Any], shown: list[str]) -> Plot:
    names = {"multiclass": ["the class named"], "binary": document["classes"][1:]}.get(cases.kind, document["classes"])
    of = dict(zip(names, confidences(cases), strict=True))
    drawn = shown if cases.kind == "multilabel" else names  # a class has one colour in all figures
    pairs = [(name, reliability(*of[name])) for name in drawn]

    def fill(axes: Axes) -> None:
        _square(axes)
        axes.plot([0, 1], [0, 1], **REFERENCE)
        for number, (_, bins) in enumerate(pairs):
            axes.plot(bins.probability, bins.frequency, **line(number))
            sizes = 12 + 90 * bins.cases / bins.cases.sum()
            axes.scatter(bins.probability, bins.frequency, sizes, color=line(number)["color"], zorder=3)

    keys = [series(number, name) for number, (name, _) in enumerate(pairs)]
    error = document["metrics"]["calibration_error"]
    value = figure(error["pooled"] if error["pooled"] is not None else error["macro"], 3)
    return Plot(
        "Calibration",
        draw("calibration", "predicted probability", "how often it is true", fill),
        f"Predicted probability against how often it comes true, calibration error {value}.",
        (*keys, Key("perfect")),
        f"Below the dashed line the model is too sure. Calibration error {value}; large dots hold many cases.",
    )


def _scores(cases: ClassificationCases, document: Mapping[str, Any]) -> Plot:
    if cases.kind == "multiclass":
        values = cases.scores.max(axis=1)
        yes = cases.predicted == cases.labels
        names, across = ("right", "wrong"), "score of the class named"
    else:
        values = cases.scores.ravel()
        yes = (cases.truth[:, 1:] if cases.kind == "binary" else cases.truth).ravel()
        names, across = ("present", "absent"), "score"
        if cases.kind == "binary":
            names, across = (document["classes"][1], document["classes"][0]), "score of the positive class"
    ends = (0.0, 1.0) if cases.probabilities else (float(values.min()), float(values.max()))
    sides = [(name, values[mark]) for name, mark in zip(names, (yes, ~yes), strict=True)]

    def fill(axes: Axes) -> None:
        for number, (_, scores) in enumerate(sides):
            counts, edges = np.histogram(scores, BINS, ends)
            share = counts / max(len(scores), 1)
            axes.stairs(share, edges, fill=True, color=line(number)["color"], alpha=0.18)
            axes.stairs(share, edges, **line(number))
        if cases.kind != "multiclass":
            axes.axvline(cases.threshold, **REFERENCE)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_ylim(bottom=0)

    keys = [series(number, name, f"{len(scores):,}") for number, (name, scores) in enumerate(sides)]
    threshold = [] if cases.kind == "multiclass" else [Key("threshold", figure(cases.threshold, 2))]
    medians = ", ".join(f"{name} {figure(float(np.median(scores)), 2)}" for name, scores in sides if len(scores))
    return Plot(
        "Scores",
        draw("scores", across, "share of its cases", fill),
        f"Histogram of the scores. Median: {medians}.",
        (*keys, *threshold),
        "Each side adds up to 100 %. The less the two overlap the better the scores tell them apart.",
    )


def _keys(shown: list[Asked], metric: str) -> list[Key]:
    return [series(number, name, figure(values[metric], 3)) for number, (name, _, _, values) in enumerate(shown)]


def _square(axes: Axes) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))


def _points(points: Points | None) -> Points:
    return points or (np.zeros(0), np.zeros(0))


def _listed(keys: list[Key]) -> str:
    return ", ".join(f"{key.name} {key.figure}" for key in keys)
