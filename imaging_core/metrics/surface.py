"""Segmentation: how far predicted and true borders lie apart, from what infer measured of each case and class.

:mod:`imaging_core.inference.surface` says what is measured, and by which convention. A class that only one side has in
a case has no distance there, and neither has one that both sides lack: such pairs of a case and a class are left out of
HD95 and ASSD, and counted (``surface`` in ``metrics.json``). Metrics reloaded (Maier-Hein, Reinke et al. 2024, Nature
Methods 21) puts the worst possible value in their place, which depends on the image's size. Surface Dice knows both: 0
where one side lacks the class, and where both do what ``empty`` says, as for Dice.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from imaging_core.metrics import counts as c
from imaging_core.metrics import intervals, segmentation
from imaging_core.metrics.intervals import Spread
from imaging_core.metrics.resampling import Resamples
from imaging_core.metrics.segmentation import SegmentationCases
from imaging_core.metrics.values import Values, mean_of_defined, mean_of_known

HD95, ASSD = range(2)


def measured(cases: SegmentationCases) -> bool:
    """Whether all scored cases of the run have surface distances."""
    return cases.measured.distances is not None


def hd95(cases: SegmentationCases) -> Values:
    """The Hausdorff distance with the 95th percentile for the maximum (Huttenlocher et al. 1993), 0 at best.

    Per case the mean over the classes that both sides have, then the mean over the cases; per class the mean over the
    cases in which both sides have it, and macro the mean of those. It has no pooled form.
    """
    return _of_distances(cases, HD95)


def assd(cases: SegmentationCases) -> Values:
    """The average symmetric surface distance (Heimann et al. 2009), 0 at best; aggregated as :func:`hd95`."""
    return _of_distances(cases, ASSD)


def distances_spread(which: int) -> Callable[[SegmentationCases, Resamples], Spread]:
    """The intervals of HD95 or ASSD."""

    def values(cases: SegmentationCases) -> NDArray[np.float64]:
        return np.empty((0, 0)) if cases.measured.distances is None else cases.measured.distances[..., which]

    return intervals.of_class_values(values)


def nsd(cases: SegmentationCases) -> Values:
    """Normalised surface Dice (Nikolov et al. 2021, J Med Internet Res 23), 1 at best.

    Of the border pixels of both sides the share that lies within the tolerance of the other side's border; aggregated
    as :func:`imaging_core.metrics.segmentation.dice`, of border pixels instead of all.
    """
    return Values() if cases.measured.borders is None else segmentation.recall(_of_borders(cases))


def nsd_spread(cases: SegmentationCases, resamples: Resamples) -> Spread:
    """The intervals of :func:`nsd`."""
    return {} if cases.measured.borders is None else intervals.of_overlap(c.recall)(_of_borders(cases), resamples)


def _of_borders(cases: SegmentationCases) -> SegmentationCases:
    """The cases with border pixels for pixels."""
    return cases if cases.measured.borders is None else replace(cases, counts=cases.measured.borders)


def _of_distances(cases: SegmentationCases, which: int) -> Values:
    if cases.measured.distances is None:
        return Values()
    values = cases.measured.distances[..., which]
    per_class = tuple(mean_of_known(column) for column in values.T)
    by_case = [mean_of_known(row) for row in values]
    return Values(mean=mean_of_defined(by_case), macro=mean_of_defined(per_class), per_class=per_class)
