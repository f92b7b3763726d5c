"""What somebody would score who has not looked at the images: the headline figure is read against it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imaging_core.metrics import counts as c
from imaging_core.metrics.classification import ClassificationCases
from imaging_core.metrics.segmentation import SegmentationCases
from imaging_core.metrics.values import mean_of_known


@dataclass(frozen=True, slots=True)
class Baseline:
    """The score of one constant answer, in the terms of the task's headline metric.

    Attributes:
        answer: index of the scored class that is named every time (of several equally good ones the first); None where
            it is an empty mask, which names none.
        value: its accuracy, or its mean IoU over the cases.
    """

    answer: int | None
    value: float


def baseline(cases: ClassificationCases | SegmentationCases) -> Baseline | None:
    """The constant answer, chosen with the truth in hand.

    Classification: the class that is true most often (scikit-learn's ``DummyClassifier("most_frequent")``, fitted on
    the scored cases). Segmentation: every pixel is said to be of the class that most pixels are of; of a binary model,
    of its only scored class, or none is where that scores more, as it does where most images show nothing. None without
    scored cases, and for a multilabel classification.
    """
    if isinstance(cases, SegmentationCases):
        found = [each for each in (_every_pixel(cases), _no_pixel(cases)) if each is not None]
        return max(found, key=lambda each: each.value, default=None)
    if cases.kind == "multilabel" or not len(cases.labels):
        return None
    support = cases.confusion.sum(axis=1)
    return Baseline(int(support.argmax()), int(support.max()) / int(support.sum()))


def _every_pixel(cases: SegmentationCases) -> Baseline | None:
    true = cases.counts[..., c.TP] + cases.counts[..., c.FN]
    answer = int(true.sum(axis=0).argmax())
    constant = np.zeros_like(cases.counts)
    constant[..., c.FN] = true
    constant[..., c.TN] = cases.counts[..., c.FP] + cases.counts[..., c.TN]
    constant[:, answer] = constant[:, answer][:, [c.FN, c.TN, c.TP, c.FP]]
    return _scored(answer, constant, cases)


def _no_pixel(cases: SegmentationCases) -> Baseline | None:
    """An empty mask; None where every pixel is of some scored class."""
    if cases.exclusive:
        return None
    constant = np.zeros_like(cases.counts)
    constant[..., c.FN] = cases.counts[..., c.TP] + cases.counts[..., c.FN]
    constant[..., c.TN] = cases.counts[..., c.FP] + cases.counts[..., c.TN]
    return _scored(None, constant, cases)


def _scored(answer: int | None, constant: NDArray[np.int64], cases: SegmentationCases) -> Baseline | None:
    average = mean_of_known(c.per_case(c.iou, constant, cases.empty))
    return None if average is None else Baseline(answer, average)
