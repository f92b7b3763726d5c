"""The metrics of each task, in the order in which they are shown: a new metric is one function and one line here."""

from typing import Literal

from imaging_core.metrics import classification, ranking, segmentation
from imaging_core.metrics.classification import ClassificationCases
from imaging_core.metrics.segmentation import SegmentationCases
from imaging_core.metrics.values import Metric, Values

CLASSIFICATION: tuple[Metric[ClassificationCases], ...] = (
    Metric(
        "accuracy",
        "Accuracy",
        "The share of cases that the model gets right; where a case has several labels, all of them.",
        classification.accuracy,
    ),
    Metric(
        "balanced_accuracy",
        "Balanced accuracy",
        "The share found of each class, averaged so that rare and common classes count the same.",
        classification.balanced_accuracy,
    ),
    Metric(
        "auroc",
        "AUROC",
        "How often a case of a class scores above a case of another: 0.5 is chance, 1 is a perfect ranking.",
        ranking.auroc,
    ),
    Metric(
        "recall",
        "Recall (sensitivity)",
        "Of the cases that truly are of a class, the share that the model finds.",
        classification.recall,
    ),
    Metric(
        "precision",
        "Precision",
        "Of the cases that the model calls a class, the share that truly is of it.",
        classification.precision,
    ),
    Metric(
        "f1",
        "F1",
        "Precision and recall in one figure; high only when both are.",
        classification.f1,
    ),
)

SEGMENTATION: tuple[Metric[SegmentationCases], ...] = (
    Metric(
        "iou",
        "IoU (Jaccard)",
        "Overlap of predicted and true area divided by their union, at the image's own size: 0 none, 1 identical.",
        segmentation.iou,
    ),
    Metric(
        "dice",
        "Dice",
        "Twice the overlap divided by the sum of both areas, at the image's own size: kinder than IoU, same order.",
        segmentation.dice,
    ),
    Metric(
        "iou_deephealth",
        "IoU, DeepHealth's",
        "IoU at the model's input size, as DeepHealth publishes it; two empty masks count 1.",
        segmentation.iou_deephealth,
    ),
)

Aggregation = Literal["mean", "pooled", "macro"]

HEADLINE: dict[str, tuple[str, Aggregation]] = {
    "classification": ("accuracy", "mean"),
    "segmentation": ("iou", "mean"),
}
"""The one figure that a report leads with, by task."""


def metrics_of(task: str) -> tuple[Metric[ClassificationCases] | Metric[SegmentationCases], ...]:
    """The metrics of a task."""
    return SEGMENTATION if task == "segmentation" else CLASSIFICATION


def compute(cases: ClassificationCases | SegmentationCases) -> dict[str, Values]:
    """Every registered metric of these cases, by name, in the registry's order."""
    if isinstance(cases, SegmentationCases):
        return {metric.name: metric.compute(cases) for metric in SEGMENTATION}
    return {metric.name: metric.compute(cases) for metric in CLASSIFICATION}
