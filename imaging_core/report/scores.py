"""Every metric of some cases with its intervals, as ``metrics.json`` has them: of a run, and of each of its groups."""

from collections.abc import Collection
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging_core.metrics.classification import ClassificationCases
from imaging_core.metrics.intervals import around
from imaging_core.metrics.registry import compute, compute_intervals
from imaging_core.metrics.segmentation import SegmentationCases
from imaging_core.metrics.values import Values

Json = dict[str, Any]


def scores(
    cases: ClassificationCases | SegmentationCases, patients: NDArray[np.int64] | None, chosen: Collection[str]
) -> tuple[dict[str, Values], Json]:
    """The metrics by name, and their intervals by name and aggregation; those that hold their figure.

    Args:
        cases: the scored ones.
        patients: the patient of each, where whole patients are to be drawn.
        chosen: names of metrics; none means all.
    """
    values = compute(cases, chosen)
    drawn = compute_intervals(cases, patients, chosen)
    held = {name: around(found, values[name]) for name, found in drawn.items()}
    return values, {name: {each: asdict(at) for each, at in found.items()} for name, found in held.items()}


def aggregations(values: dict[str, Values]) -> Json:
    """Mean, pooled and macro of each metric."""
    return {name: {"mean": value.mean, "pooled": value.pooled, "macro": value.macro} for name, value in values.items()}
