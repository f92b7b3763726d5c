"""The metrics of each task, in the order in which they are shown: a new metric is one function and one line here."""

import math
from collections.abc import Collection
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from imaging_core.errors import UsageError
from imaging_core.metrics import (
    agreement,
    calibration,
    classification,
    counts,
    intervals,
    lesions,
    ranking,
    segmentation,
    surface,
)
from imaging_core.metrics.classification import ClassificationCases
from imaging_core.metrics.intervals import Intervals
from imaging_core.metrics.metric import Metric
from imaging_core.metrics.resampling import Resamples
from imaging_core.metrics.segmentation import SegmentationCases
from imaging_core.metrics.values import Values

Columns = TypeVar("Columns", ClassificationCases, SegmentationCases)

CLASSIFICATION: tuple[Metric[ClassificationCases], ...] = (
    Metric(
        "accuracy",
        "Accuracy",
        "The share of cases that the model gets right; where a case has several labels, all of them.",
        classification.accuracy,
        intervals.accuracy,
    ),
    Metric(
        "balanced_accuracy",
        "Balanced accuracy",
        "The share found of each class, averaged so that rare and common classes count the same.",
        classification.balanced_accuracy,
        intervals.balanced_accuracy,
    ),
    Metric(
        "auroc",
        "AUROC",
        "How often a case of a class scores above a case of another: 0.5 is chance, 1 is a perfect ranking.",
        ranking.auroc,
        intervals.auroc,
    ),
    Metric(
        "average_precision",
        "Average precision",
        "Precision averaged over all thresholds: unlike AUROC it shows how many false alarms a rare class costs.",
        ranking.mean_average_precision,
        intervals.average_precision,
    ),
    Metric(
        "sensitivity_at_95_specificity",
        "Recall at 95 % specificity",
        "The share of a class that can be found when at most 5 % of the others may be called so.",
        ranking.sensitivity_at_95,
        intervals.sensitivity_at_95,
    ),
    Metric(
        "recall",
        "Recall (sensitivity)",
        "Of the cases that truly are of a class, the share that the model finds.",
        classification.recall,
        intervals.of_case_counts(counts.recall),
    ),
    Metric(
        "specificity",
        "Specificity",
        "Of the cases that are not of a class, the share that the model does not call so.",
        classification.specificity,
        intervals.of_case_counts(counts.specificity),
    ),
    Metric(
        "precision",
        "Precision",
        "Of the cases that the model calls a class, the share that truly is of it.",
        classification.precision,
        intervals.of_case_counts(counts.precision),
    ),
    Metric(
        "f1",
        "F1",
        "Precision and recall in one figure; high only when both are.",
        classification.f1,
        intervals.of_case_counts(counts.dice),
    ),
    Metric(
        "cohen_kappa",
        "Cohen's kappa",
        "Agreement with the truth beyond what chance would give: 0 is chance, 1 is perfect.",
        agreement.cohen_kappa,
        intervals.of_tables(agreement.kappas),
    ),
    Metric(
        "matthews",
        "Matthews correlation",
        "Correlation of truth and prediction, fair to rare classes: 0 is chance, 1 is perfect, -1 always wrong.",
        agreement.matthews,
        intervals.of_tables(agreement.correlations),
    ),
    Metric(
        "brier",
        "Brier score",
        "Squared difference of the predicted probabilities and the truth: 0 is best.",
        calibration.brier,
        intervals.of_case_values(calibration.brier_per_case),
        lower_is_better=True,
    ),
    Metric(
        "log_loss",
        "Log loss",
        "What the truth surprises the model by: 0 is best, and being sure and wrong costs most.",
        calibration.log_loss,
        intervals.of_case_values(calibration.log_loss_per_case),
        lower_is_better=True,
    ),
    Metric(
        "calibration_error",
        "Calibration error",
        "How far the predicted probabilities are from how often they come true: 0 is best.",
        calibration.calibration_error,
        intervals.calibration_error,
        lower_is_better=True,
    ),
)

SEGMENTATION: tuple[Metric[SegmentationCases], ...] = (
    Metric(
        "iou",
        "IoU (Jaccard)",
        "Overlap of predicted and true area divided by their union, at the image's own size: 0 none, 1 identical.",
        segmentation.iou,
        intervals.of_overlap(counts.iou),
    ),
    Metric(
        "dice",
        "Dice",
        "Twice the overlap divided by the sum of both areas, at the image's own size: kinder than IoU, same order.",
        segmentation.dice,
        intervals.of_overlap(counts.dice),
    ),
    Metric(
        "iou_deephealth",
        "IoU, DeepHealth's",
        "IoU at the model's input size, as DeepHealth publishes it; two empty masks count 1.",
        segmentation.iou_deephealth,
        intervals.of_case_values(segmentation.iou_deephealth_per_case),
    ),
    Metric(
        "thresholded_jaccard",
        "Thresholded Jaccard",
        "IoU as the ISIC challenge ranks by it: a case below 0.65 counts as failed, 0.",
        segmentation.thresholded_jaccard,
        intervals.of_case_values(segmentation.thresholded_jaccard_per_case),
    ),
    Metric(
        "recall",
        "Recall (sensitivity)",
        "Of the true area, the share that the model finds.",
        segmentation.recall,
        intervals.of_overlap(counts.recall),
    ),
    Metric(
        "specificity",
        "Specificity",
        "Of the area that is not of a class, the share that the model leaves out.",
        segmentation.specificity,
        intervals.of_overlap(counts.specificity, one_sided=math.nan),
    ),
    Metric(
        "precision",
        "Precision",
        "Of the predicted area, the share that is right.",
        segmentation.precision,
        intervals.of_overlap(counts.precision),
    ),
    Metric(
        "pixel_accuracy",
        "Pixel accuracy",
        "The share of pixels that are right; high for anything where most of an image is background.",
        segmentation.pixel_accuracy,
        intervals.pixel_accuracy,
    ),
    Metric(
        "volume_difference",
        "Volume difference",
        "How much larger or smaller the predicted area is than the true one, relative to it: 0 is best.",
        segmentation.volume_difference,
        intervals.of_overlap(counts.volume_difference, empty="skip", one_sided=math.nan),
        lower_is_better=True,
    ),
    Metric(
        "hd95",
        "Hausdorff distance, 95 %",
        "How far predicted and true borders lie apart at most, but for the farthest 5 % of them: 0 is best.",
        surface.hd95,
        surface.distances_spread(surface.HD95),
        surface.measured,
        lower_is_better=True,
    ),
    Metric(
        "assd",
        "Average surface distance",
        "How far predicted and true borders lie apart on average, both ways: 0 is best.",
        surface.assd,
        surface.distances_spread(surface.ASSD),
        surface.measured,
        lower_is_better=True,
    ),
    Metric(
        "nsd",
        "Normalised surface Dice",
        "Of predicted and true borders, the share that lies within the tolerance of the other: 0 none, 1 all.",
        surface.nsd,
        surface.nsd_spread,
        surface.measured,
    ),
    Metric(
        "lesion_f1",
        "Lesion F1",
        "Lesions found, few missed and few imagined, in one figure; one is found when any pixel of it is predicted.",
        lesions.f1,
        lesions.spread(counts.dice),
        lesions.counted,
    ),
    Metric(
        "lesion_recall",
        "Lesion recall",
        "Of the true lesions, the share that the model finds, of whatever size.",
        lesions.recall,
        lesions.spread(counts.recall),
        lesions.counted,
    ),
    Metric(
        "lesion_precision",
        "Lesion precision",
        "Of the lesions found and the false ones that the model predicts, the share that is true.",
        lesions.precision,
        lesions.spread(counts.precision),
        lesions.counted,
    ),
)

Aggregation = Literal["mean", "pooled", "macro"]

HEADLINE: dict[str, tuple[str, Aggregation]] = {
    "classification": ("accuracy", "mean"),
    "segmentation": ("iou", "mean"),
}
"""The one figure that a report leads with, by task."""


BY_CLASS = ("iou", "dice", "auroc", "recall", "specificity", "precision", "f1")
"""What a report shows of each class; ``metrics.json`` has all."""

BY_GROUP: dict[str, tuple[tuple[str, Aggregation], ...]] = {
    "classification": (("accuracy", "mean"), ("balanced_accuracy", "macro"), ("auroc", "macro")),
    "segmentation": (("iou", "mean"), ("recall", "mean"), ("precision", "mean")),
}
"""What a report shows of each group, by task; ``metrics.json`` has all."""


def metrics_of(task: str) -> tuple[Metric[ClassificationCases] | Metric[SegmentationCases], ...]:
    """The metrics of a task."""
    return SEGMENTATION if task == "segmentation" else CLASSIFICATION


def titles(task: str) -> dict[str, str]:
    """What each metric of a task is called for a person, by its name."""
    return {metric.name: metric.title for metric in metrics_of(task)}


def check_chosen(task: str, chosen: Collection[str]) -> None:
    """UsageError unless each of these names is a metric of the task."""
    names = [metric.name for metric in metrics_of(task)]
    if unknown := sorted(set(chosen) - set(names)):
        raise UsageError(f"--metric {unknown[0]}: no metric of a {task}; there are {', '.join(names)}")


def compute(cases: ClassificationCases | SegmentationCases, chosen: Collection[str] = ()) -> dict[str, Values]:
    """The metrics that these cases were measured for, by name, in the registry's order.

    Args:
        cases: the scored ones.
        chosen: names; without any all are computed, and the one that a report leads with always is.
    """
    if isinstance(cases, SegmentationCases):
        return {metric.name: metric.compute(cases) for metric in _among(SEGMENTATION, cases, chosen)}
    return {metric.name: metric.compute(cases) for metric in _among(CLASSIFICATION, cases, chosen)}


def compute_intervals(
    cases: ClassificationCases | SegmentationCases,
    patients: NDArray[np.int64] | None = None,
    chosen: Collection[str] = (),
) -> dict[str, Intervals]:
    """95 % intervals of every metric that :func:`compute` gives, by name; none of fewer than two cases, or patients.

    Args:
        cases: the scored ones.
        patients: the patient of each, by any number, where whole patients are to be drawn.
        chosen: as for :func:`compute`.
    """
    resamples = Resamples(len(cases), patients)
    if resamples.units < 2:
        return {}
    if isinstance(cases, SegmentationCases):
        among = _among(SEGMENTATION, cases, chosen)
        return {metric.name: intervals.ends(metric.spread(cases, resamples)) for metric in among}
    of_classes = _among(CLASSIFICATION, cases, chosen)
    return {metric.name: intervals.ends(metric.spread(cases, resamples)) for metric in of_classes}


def _among(metrics: tuple[Metric[Columns], ...], cases: Columns, chosen: Collection[str]) -> list[Metric[Columns]]:
    headlines = {name for name, _ in HEADLINE.values()}
    return [
        metric
        for metric in metrics
        if metric.applies(cases) and (not chosen or metric.name in chosen or metric.name in headlines)
    ]
