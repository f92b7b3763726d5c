"""Segmentation: overlap of masks, from counts per case and class."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imaging_core.metrics import counts as c
from imaging_core.metrics.measured import Measured
from imaging_core.metrics.values import Values, mean, mean_of_known

SMOOTHING = 1e-6

AGREEMENT = 0.65


@dataclass(frozen=True, slots=True)
class SegmentationCases:
    """The scored cases of a run, in case order.

    Attributes:
        counts: int64, cases x scored classes x 4 (TP, FP, FN, TN), in pixels at the image's original size. A binary
            model has one scored class.
        deephealth: int64, cases x 2: intersection and union in pixels at the model's input size; -1 where unknown.
        empty: what a class is worth in a case where neither side has it.
        exclusive: whether every pixel is of exactly one of the scored classes.
        measured: what was measured beside pixels.
    """

    counts: NDArray[np.int64]
    deephealth: NDArray[np.int64]
    empty: c.EmptyPolicy
    exclusive: bool = False
    measured: Measured = Measured()  # noqa: RUF009 - it is frozen

    def __len__(self) -> int:
        return len(self.counts)


def empty_policy(classes: int) -> c.EmptyPolicy:
    """The policy for so many scored classes.

    One class: a mask that is empty on both sides is right, 1 (as DeepHealth). Several: a class that is absent on both
    sides says nothing and is left out of the case's mean, else the rarer a class the better the figure.
    """
    return "one" if classes == 1 else "skip"


def deephealth_per_case(pixels: NDArray[np.int64]) -> NDArray[np.float64]:
    """(intersection + 1e-6) / (union + 1e-6) of each row of ``deephealth``: 1 where both are 0, NaN where unknown."""
    intersection, union = pixels[:, 0], pixels[:, 1]
    return np.where(union < 0, np.nan, (intersection + SMOOTHING) / (union + SMOOTHING))


def iou_deephealth(cases: SegmentationCases) -> Values:
    """DeepHealth's mean IoU, comparable with its published figures.

    Both sides are taken at the model's input size and thresholded at >= 0.5; a case's value is
    (intersection + 1e-6) / (union + 1e-6), so both empty is 1; the mean is unweighted over the cases. It has neither
    a pooled nor a macro form. (The DeepHealth project's inference programs.)
    """
    values = iou_deephealth_per_case(cases)
    return Values(mean=mean_of_known(values))


def iou_deephealth_per_case(cases: SegmentationCases) -> NDArray[np.float64]:
    """The values that :func:`iou_deephealth` is the mean of; NaN where unknown."""
    return deephealth_per_case(cases.deephealth)


def iou(cases: SegmentationCases) -> Values:
    """Intersection over union at the image's original size.

    Per case the mean over its classes (``empty`` decides on classes that neither side has), then the unweighted mean
    over the cases, as the ISIC challenges do; macro is PASCAL VOC's mean IoU (Everingham et al. 2010), background
    included when it is a class of the model.
    """
    return _overlap(c.iou, cases)


def dice(cases: SegmentationCases) -> Values:
    """Dice coefficient at the image's original size, aggregated as :func:`iou`.

    Each single value obeys Jaccard = Dice / (2 - Dice); a mean of several does not.
    """
    return _overlap(c.dice, cases)


def precision(cases: SegmentationCases) -> Values:
    """Of the pixels that are called a class, the share that is of it; aggregated as :func:`iou`.

    In a case where only the truth has the class it is 0, as scikit-learn's ``zero_division=0``.
    """
    return _overlap(c.precision, cases)


def recall(cases: SegmentationCases) -> Values:
    """Sensitivity: of the pixels of a class, the share that is found; aggregated as :func:`iou`.

    In a case where only the prediction has the class it is 0, as scikit-learn's ``zero_division=0``.
    """
    return _overlap(c.recall, cases)


def specificity(cases: SegmentationCases) -> Values:
    """Of the pixels that are not of a class, the share that is not called so either.

    A class that fills an image is left out there.
    """
    return _overlap(c.specificity, cases, one_sided=np.nan)


def pixel_accuracy(cases: SegmentationCases) -> Values:
    """The share of pixels that are right; where pixels may be of several classes, of all (pixel, class) decisions."""
    if not cases.exclusive:
        return _overlap(c.accuracy, cases)
    counts = right_and_wrong(cases)
    return Values(mean=mean(c.per_case(c.recall, counts, "skip").tolist()), pooled=c.pooled(c.recall, counts))


def right_and_wrong(cases: SegmentationCases) -> NDArray[np.int64]:
    """Cases x 1 x 4 of exclusive classes: every pixel as a true one, found (TP) or not (FN)."""
    right = cases.counts[..., c.TP].sum(axis=1)
    none = np.zeros_like(right)
    return np.stack([right, none, cases.counts[:, 0].sum(axis=-1) - right, none], axis=-1)[:, np.newaxis]


def thresholded_jaccard(cases: SegmentationCases) -> Values:
    """The mean of the cases' IoU, in which one below 0.65 counts 0: the ISIC challenge's figure since 2018.

    0.65 is where manual segmentations of the same lesion still agree (Codella et al. 2019, arXiv 1902.03368).
    """
    values = thresholded_jaccard_per_case(cases)
    return Values(mean=mean_of_known(values))


def thresholded_jaccard_per_case(cases: SegmentationCases) -> NDArray[np.float64]:
    """The values that :func:`thresholded_jaccard` is the mean of; NaN where no class is defined."""
    values = c.per_case(c.iou, cases.counts, cases.empty)
    return np.where(values < AGREEMENT, 0.0, values)


def volume_difference(cases: SegmentationCases) -> Values:
    """Absolute relative difference of predicted and true volume, 0 at best (Heimann et al. 2009).

    A class that the truth of a case lacks has no relative difference there and is left out. Pooled and macro compare
    the volumes of all cases together, in which too much here and too little there may cancel. Of exclusive classes
    there is no pooled figure: together they fill every image, however wrong they are.
    """
    values = c.per_case(c.volume_difference, cases.counts, "skip", one_sided=np.nan)
    by_class = cases.counts.sum(axis=0)
    return Values(
        mean=mean_of_known(values),
        pooled=None if cases.exclusive else c.pooled(c.volume_difference, by_class),
        macro=c.macro(c.volume_difference, by_class),
    )


def _overlap(ratio: c.RatioOf, cases: SegmentationCases, one_sided: float = 0.0) -> Values:
    values = c.per_case(ratio, cases.counts, cases.empty, one_sided)
    by_class = cases.counts.sum(axis=0)
    return Values(
        mean=mean_of_known(values),
        pooled=c.pooled(ratio, by_class),
        macro=c.macro(ratio, by_class),
        per_class=c.per_class(ratio, by_class),
    )
