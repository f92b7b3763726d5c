"""What a run measured of masks beside pixels: in ``metrics.json`` and in sentences. Nothing of a run that did not."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from imaging_core.metrics.columns import SegmentationColumns
from imaging_core.metrics.counts import FN, FP, TP
from imaging_core.metrics.registry import SEGMENTATION
from imaging_core.metrics.surface import HD95
from imaging_core.report.figures import figure


def measured_document(columns: SegmentationColumns) -> dict[str, Any]:
    """``surface`` and ``lesions`` of ``metrics.json``, as far as there is anything.

    Both have ``cases``, how many were measured: unless all that are scored were, the metrics are left out. ``surface``
    has ``tolerance`` and ``unit`` (``mixed`` when some cases have a spacing and others none: then there are no figures,
    either), and per class in how many cases its distances are ``defined``, or not because only
    one side has the class (``one_empty``) or neither (``both_empty``). ``lesions`` has per class the cases' sums.
    """
    measured = columns.measured
    document: dict[str, Any] = {}
    if measured.tolerance is not None:
        defined = ~np.isnan(measured.distances[measured.surfaces, :, HD95])
        empty = measured.borders[measured.surfaces].sum(axis=-1) == 0
        columns_of = {"defined": defined, "one_empty": ~defined & ~empty, "both_empty": empty}
        document["surface"] = {
            "tolerance": measured.tolerance,
            "unit": next(iter(measured.units)) if len(measured.units) == 1 else "mixed",
            "cases": int(measured.surfaces.sum()),
            "per_class": [
                {"class": name, **{what: int(marks[:, k].sum()) for what, marks in columns_of.items()}}
                for k, name in enumerate(columns.classes)
            ],
        }
    if measured.counted.any():
        sums = measured.lesions.sum(axis=0)
        document["lesions"] = {
            "cases": int(measured.counted.sum()),
            "per_class": [
                {"class": name, "tp": int(sums[k, TP]), "fp": int(sums[k, FP]), "fn": int(sums[k, FN])}
                for k, name in enumerate(columns.classes)
            ],
        }
    return document


def measured_classes(document: Mapping[str, Any]) -> dict[str, Any]:
    """The table of the classes' surfaces and lesions: its titles, and a row of texts for each class; empty of neither.

    In how many cases a class has distances, and how many true lesions it has, stand before what is made of them.
    """
    rows = document["per_class"]
    shown = [metric for metric in SEGMENTATION if metric.collected is not None and rows and metric.name in rows[0]]
    columns = []
    for metric in shown:
        if metric.name == "hd95":
            defined = [f"{each['defined']:,}" for each in document["surface"]["per_class"]]
            columns.append(("Cases with distances", defined))
        if metric.name == "lesion_f1":
            lesions = [f"{each['tp'] + each['fn']:,}" for each in document["lesions"]["per_class"]]
            columns.append(("True lesions", lesions))
        columns.append((metric.title, [figure(row[metric.name]) for row in rows]))
    return {
        "titles": [title for title, _ in columns],
        "rows": [
            {"name": row["class"], "cells": [texts[place] for _, texts in columns]} for place, row in enumerate(rows)
        ],
    }


def remarks(document: Mapping[str, Any]) -> list[str]:
    """What must be known to read the figures, in sentences: unit, tolerance, what was left out; of ``metrics.json``."""
    found = []
    scored = document["cases"]["scored"]
    if surface := document.get("surface"):
        if surface["cases"] < scored:
            found.append(_partly("surface distances", surface["cases"], scored))
        elif surface["unit"] == "mixed":
            found.append(
                "Surface distances are in mm of the cases whose spacing is known and in pixels of the others, so no "
                "figure is given of all: predictions.csv has each case's, or infer them in runs of their own."
            )
        else:
            found.append(_surface(surface))
    if (lesions := document.get("lesions")) and lesions["cases"] < scored:
        found.append(_partly("lesions", lesions["cases"], scored))
    return found


def _surface(surface: Mapping[str, Any]) -> str:
    counts = {what: sum(each[what] for each in surface["per_class"]) for what in ("defined", "one_empty", "both_empty")}
    words = f"Surface distances are in {surface['unit']}, the tolerance is {surface['tolerance']:g}"
    left_out = [
        f"{counts[what]:,} where {which}"
        for what, which in (("one_empty", "only one side has the class"), ("both_empty", "neither side has it"))
        if counts[what]
    ]
    if not left_out:
        return f"{words}."
    pairs = sum(counts.values())
    return f"{words}; undefined, and left out, in {' and '.join(left_out)}, of {pairs:,} pairs of case and class."


def _partly(what: str, cases: int, scored: int) -> str:
    return f"Only {cases:,} of {scored:,} scored cases have {what}, so no figure is given: infer the others with them."
