"""The metrics of each group of a feature, and how far the groups lie apart."""

from collections.abc import Collection
from typing import Any

from imaging_core.metrics.columns import ClassificationColumns, SegmentationColumns
from imaging_core.metrics.groups import Grouping
from imaging_core.metrics.merge import Merged
from imaging_core.metrics.registry import HEADLINE
from imaging_core.report.scores import aggregations, scores


def groups_document(merged: Merged, task: str, chosen: Collection[str] = ()) -> dict[str, Any]:
    """The part of ``metrics.json`` about groups, by feature.

    Each has ``groups``, with name, number of expected and of scored cases, metrics and intervals, and ``gap``: the
    largest difference of the headline figure between two groups, and which two (None when there is none).
    """
    columns = merged.columns
    if columns is None:
        return {}
    return {each.feature: _of_feature(merged, columns, each, task, chosen) for each in merged.expected.groupings}


def _of_feature(
    merged: Merged,
    columns: ClassificationColumns | SegmentationColumns,
    grouping: Grouping,
    task: str,
    chosen: Collection[str],
) -> dict[str, Any]:
    groups = []
    for index, name in enumerate(grouping.names):
        members = grouping.of_row == index
        cases = columns.cases(members)
        patients = merged.expected.patients
        drawn = None if patients is None else patients[columns.scored & members]
        values, intervals = scores(cases, drawn, chosen)
        groups.append(
            {
                "name": name,
                "expected": int(members.sum()),
                "scored": len(cases),
                "metrics": aggregations(values),
                "intervals": intervals,
            }
        )
    return {"groups": groups, "gap": _gap(groups, task)}


def _gap(groups: list[dict[str, Any]], task: str) -> dict[str, Any] | None:
    name, aggregation = HEADLINE[task]
    known = [(each["metrics"][name][aggregation], each["name"]) for each in groups]
    known = [pair for pair in known if pair[0] is not None]
    if len(known) < 2:
        return None
    low, high = min(known, key=lambda pair: pair[0]), max(known, key=lambda pair: pair[0])
    if low[0] == high[0]:
        return None
    return {"metric": name, "difference": high[0] - low[0], "lowest": low[1], "highest": high[1]}
