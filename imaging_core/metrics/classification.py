"""Classification: agreement of predicted and true classes, from the confusion of cases."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imaging_core.metrics import counts as c
from imaging_core.metrics.thresholds import Thresholds, thresholds
from imaging_core.metrics.values import Values, mean_of_defined

Kind = Literal["binary", "multiclass", "multilabel"]


def decide(kind: Kind, scores: NDArray[np.float64], threshold: float) -> NDArray[np.int64] | NDArray[np.bool_]:
    """What the model says of each case.

    Args:
        kind: binary (one score, of class 1), multiclass (a score per class) or multilabel (a score per label).
        scores: cases x scores.
        threshold: a binary or multilabel score at or above it is positive.

    Returns:
        A class index per case; the first of equal scores wins. For multilabel a bool per case and label.
    """
    if kind == "multiclass":
        winners: NDArray[np.int64] = np.argmax(scores, axis=1)
        return winners
    positive: NDArray[np.bool_] = scores >= threshold
    return positive if kind == "multilabel" else positive[:, 0].astype(np.int64)


@dataclass(frozen=True)
class ClassificationCases:
    """The scored cases of a run, in case order.

    Attributes:
        kind: of the model's output.
        classes: how many; a binary model has two.
        labels: ground truth: class index per case; for multilabel bool, cases x classes.
        scores: float64, cases x classes; cases x 1 (class 1) for a binary model.
        threshold: see :func:`decide`.
        probabilities: whether scores are probabilities, which calibration is a question of.
    """

    kind: Kind
    classes: int
    labels: NDArray[np.int64] | NDArray[np.bool_]
    scores: NDArray[np.float64]
    threshold: float = 0.5
    probabilities: bool = True

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def predicted(self) -> NDArray[np.int64] | NDArray[np.bool_]:
        """What the model says, in the form of ``labels``."""
        return decide(self.kind, self.scores, self.threshold)

    @cached_property
    def truth(self) -> NDArray[np.bool_]:
        """Cases x classes: whether a case is of a class."""
        if self.kind == "multilabel":
            return self.labels.astype(bool)
        truth: NDArray[np.bool_] = self.labels[:, np.newaxis] == np.arange(self.classes)
        return truth

    @cached_property
    def cells(self) -> NDArray[np.int64]:
        """Of each case its cell of the confusion table, true class times classes plus predicted. Not for multilabel."""
        return self.labels.astype(np.int64) * self.classes + self.predicted

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """Classes x classes, how many cases: true class down, predicted class across. Not for multilabel."""
        return np.bincount(self.cells, minlength=self.classes**2).reshape(self.classes, self.classes)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Classes x 4 (TP, FP, FN, TN), how many cases: each class against the rest."""
        if self.kind == "multilabel":
            true, said = self.labels.astype(bool), self.predicted.astype(bool)
            columns = [(true & said), (~true & said), (true & ~said), (~true & ~said)]
            return np.stack([column.sum(axis=0, dtype=np.int64) for column in columns], axis=-1)
        confusion = self.confusion
        tp = np.diagonal(confusion)
        fp, fn = confusion.sum(axis=0) - tp, confusion.sum(axis=1) - tp
        return np.stack([tp, fp, fn, confusion.sum() - tp - fp - fn], axis=-1)

    @cached_property
    def thresholds(self) -> tuple[Thresholds, ...]:
        """Of each score: of a binary model its one, else each class against the rest."""
        truth = self.truth[:, 1:] if self.kind == "binary" else self.truth
        return tuple(thresholds(truth[:, k], self.scores[:, k]) for k in range(truth.shape[1]))

    @cached_property
    def pooled_thresholds(self) -> Thresholds:
        """Of all (case, class) pairs in one list."""
        return thresholds(self.truth.ravel(), self.scores.ravel())


def accuracy(cases: ClassificationCases) -> Values:
    """The share of right decisions.

    The mean over cases counts a multilabel case as right only when all of its labels are (subset accuracy, as
    scikit-learn's ``accuracy_score``); pooled counts every label by itself (1 - Hamming loss). With one label per
    case the two are the same figure, and a value per class does not exist.
    """
    n = len(cases.labels)
    if n == 0:
        return Values()
    if cases.kind == "multilabel":
        right = int((cases.labels == cases.predicted).all(axis=1).sum())
        by_class = c.per_class(c.accuracy, cases.counts)
        pooled = c.pooled(c.accuracy, cases.counts)
        return Values(mean=right / n, pooled=pooled, macro=mean_of_defined(by_class), per_class=by_class)
    share = int(np.trace(cases.confusion)) / n
    return Values(mean=share, pooled=share)


def balanced_accuracy(cases: ClassificationCases) -> Values:
    """The mean recall over the classes (Brodersen et al. 2010; Mosley 2013; the ISIC challenges' main figure).

    A class without cases is left out, as scikit-learn's ``balanced_accuracy_score`` does; not adjusted for chance. Of a
    multilabel model each label is a binary question, (sensitivity + specificity) / 2, and macro is the labels' mean.
    """
    if cases.kind != "multilabel":
        return Values(macro=c.macro(c.recall, cases.counts))
    sides = zip(c.per_class(c.recall, cases.counts), c.per_class(c.specificity, cases.counts), strict=True)
    by_class = tuple(mean_of_defined(pair) for pair in sides)
    return Values(macro=mean_of_defined(by_class), per_class=by_class)


def recall(cases: ClassificationCases) -> Values:
    """Of the cases that are of a class, the share that is found (sensitivity); undefined without such cases."""
    return _of_counts(c.recall, cases)


def precision(cases: ClassificationCases) -> Values:
    """Of the cases that are called a class, the share that is of it; undefined when none is called so."""
    return _of_counts(c.precision, cases)


def specificity(cases: ClassificationCases) -> Values:
    """Of the cases that are not of a class, the share that is not called so; undefined when all are of it."""
    return _of_counts(c.specificity, cases)


def f1(cases: ClassificationCases) -> Values:
    """The harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN); undefined when a class never appears.

    Macro is the mean of the classes' F1, as scikit-learn's (not the F1 of the mean precision and recall; Opitz and
    Burst 2019 compare the two).
    """
    return _of_counts(c.dice, cases)


def _of_counts(ratio: c.RatioOf, cases: ClassificationCases) -> Values:
    return Values(
        pooled=c.pooled(ratio, cases.counts),
        macro=c.macro(ratio, cases.counts),
        per_class=c.per_class(ratio, cases.counts),
    )
