"""Segmentation: which lesions are found, from what infer counted in each case and class.

:mod:`imaging_core.inference.lesions` says what a lesion is, and when it is found. Every figure is a ratio of whole
numbers, aggregated as the same ratio of pixels is; a class of which neither side has a lesion in a case is worth there
what ``empty`` says (1 in the ISLES challenge, too).
"""

from collections.abc import Callable
from dataclasses import replace

from imaging_core.metrics import counts as c
from imaging_core.metrics import intervals, segmentation
from imaging_core.metrics.intervals import Spread
from imaging_core.metrics.resampling import Resamples
from imaging_core.metrics.segmentation import SegmentationCases
from imaging_core.metrics.values import Values


def counted(cases: SegmentationCases) -> bool:
    """Whether lesions of all scored cases of the run were counted."""
    return cases.measured.lesions is not None


def f1(cases: SegmentationCases) -> Values:
    """2 TP / (2 TP + FP + FN) of lesions: high only when most are found and few are imagined."""
    return segmentation.dice(_of_lesions(cases)) if counted(cases) else Values()


def recall(cases: SegmentationCases) -> Values:
    """Of the true lesions, the share that is found."""
    return segmentation.recall(_of_lesions(cases)) if counted(cases) else Values()


def precision(cases: SegmentationCases) -> Values:
    """TP / (TP + FP): of the true lesions found and the false ones predicted, the share that is true."""
    return segmentation.precision(_of_lesions(cases)) if counted(cases) else Values()


def spread(ratio: c.RatioOf) -> Callable[[SegmentationCases, Resamples], Spread]:
    """The intervals of such a ratio."""
    of_lesions = intervals.of_overlap(ratio)

    def of(cases: SegmentationCases, resamples: Resamples) -> Spread:
        return of_lesions(_of_lesions(cases), resamples) if counted(cases) else {}

    return of


def _of_lesions(cases: SegmentationCases) -> SegmentationCases:
    """The cases with lesions for pixels."""
    return cases if cases.measured.lesions is None else replace(cases, counts=cases.measured.lesions)
