"""The figures of a segmentation: how its IoU is distributed over the cases, and over their size."""

import statistics

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from imaging_core.metrics import counts as c
from imaging_core.metrics.segmentation import SegmentationCases
from imaging_core.metrics.values import mean
from imaging_core.report.figures import figure, percent
from imaging_core.report.plots import BINS, THEME, Key, Plot, draw, line

GROUPS = 5

LEAST = 4 * GROUPS
"""Fewer cases say nothing of how IoU depends on size."""


def segmentation_plots(cases: SegmentationCases) -> list[Plot]:
    """Every figure for which there are enough cases."""
    values = c.per_case(c.iou, cases.counts, cases.empty)
    defined = ~np.isnan(values)
    values = values[defined]
    if not len(values):
        return []
    plots = [_distribution(values)]
    areas = _areas(cases)[defined]
    if len(values) >= LEAST and len(np.unique(areas)) >= LEAST:
        plots.append(_by_size(values, areas))
    return plots


def _areas(cases: SegmentationCases) -> NDArray[np.float64]:
    """The share of each image that its truth covers; of exclusive classes all but the first, the background."""
    counts = cases.counts[:, 1:] if cases.exclusive and cases.counts.shape[1] > 1 else cases.counts
    true = (counts[..., c.TP] + counts[..., c.FN]).sum(axis=1)
    return np.asarray(true / cases.counts[:, 0].sum(axis=-1))


def _distribution(values: NDArray[np.float64]) -> Plot:
    average, median = mean(values.tolist()) or 0.0, statistics.median(values.tolist())
    low, high = np.percentile(values, [25, 75]).tolist()

    def fill(axes: Axes) -> None:
        counts, edges = np.histogram(values, BINS, (0, 1))
        axes.bar(edges[:-1], counts, 0.9 / BINS, align="edge", color=line(0)["color"])
        axes.axvline(average, color=THEME["ink"], linewidth=1.6)
        axes.axvline(median, color=THEME["ink"], linewidth=1.6, linestyle=(0, (2, 2)))
        axes.set_xlim(0, 1)
        axes.grid(False, axis="x")
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))

    return Plot(
        "IoU over the cases",
        draw("distribution", "IoU of a case", "cases", fill),
        f"Histogram of the IoU of {len(values):,} cases: median {figure(median)}, half of them between {figure(low)}"
        f" and {figure(high)}.",
        (Key("mean", figure(average), "ink", ""), Key("median", figure(median), "ink", "2 2")),
        f"Half of the cases lie between {figure(low)} and {figure(high)}; the lowest is {figure(float(values.min()))},"
        f" the highest {figure(float(values.max()))}.",
    )


def _by_size(values: NDArray[np.float64], areas: NDArray[np.float64]) -> Plot:
    order = np.argsort(areas, kind="stable")
    groups = np.array_split(order, GROUPS)
    boxes = [
        dict(
            zip(("whislo", "q1", "med", "q3", "whishi"), np.percentile(values[rows], [5, 25, 50, 75, 95]), strict=True)
        )
        for rows in groups
    ]
    ends = [f"\N{LESS-THAN OR EQUAL TO} {percent(float(areas[rows].max()))}" for rows in groups]

    def fill(axes: Axes) -> None:
        ink = {"color": THEME["ink"], "linewidth": 1.2}
        axes.bxp(
            boxes,
            showfliers=False,
            widths=0.55,
            patch_artist=True,
            boxprops={"facecolor": THEME["series-1"], "alpha": 0.35, "edgecolor": THEME["ink"]},
            medianprops={**ink, "linewidth": 2.2},
            whiskerprops=ink,
            capprops=ink,
        )
        axes.set_xticks(range(1, GROUPS + 1), ends)
        axes.set_ylim(-0.01, 1.01)
        axes.grid(False, axis="x")

    medians = ", ".join(f"{end} {figure(box['med'], 2)}" for end, box in zip(ends, boxes, strict=True))
    return Plot(
        "IoU by size",
        draw("size", "share of the image that is truly foreground", "IoU of a case", fill),
        f"IoU of fifths of the cases by the size of the true area; medians: {medians}.",
        (),
        "A fifth of the cases each, the smallest areas first. Line: median; box: half of them; whiskers: 5 % to 95 %.",
    )
