"""``report/metrics.json``: every figure of a run, the same bytes for any number and order of shards.

``metrics.schema.json`` beside this file is its JSON schema: it changes with the keys here, not with new metrics.
"""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from imaging_core.metrics.classification import ClassificationCases
from imaging_core.metrics.columns import SegmentationColumns
from imaging_core.metrics.counts import FN, FP, TN, TP
from imaging_core.metrics.intervals import LEVEL
from imaging_core.metrics.merge import Merged
from imaging_core.metrics.registry import check_chosen, metrics_of
from imaging_core.metrics.resampling import RESAMPLES, SEED
from imaging_core.metrics.segmentation import SegmentationCases
from imaging_core.metrics.values import Values
from imaging_core.report.groups import groups_document
from imaging_core.report.measured import measured_document
from imaging_core.report.scores import aggregations, scores
from imaging_core.report.verdict import Verdict


def metrics_document(merged: Merged, verdict: Verdict, chosen: Collection[str] = ()) -> dict[str, Any]:
    """The values of ``metrics.json``; a metric that is undefined is None.

    ``metrics`` has mean, pooled and macro of each metric (:class:`~imaging_core.metrics.values.Values`), ``intervals``
    where each of them lies with 95 % confidence, and how that was found
    (:class:`~imaging_core.metrics.intervals.Interval`); of what is drawn again, ``of``. ``per_class``
    has for each scored class ``support`` (scored cases whose truth has it), its confusion ``tp``, ``fp``, ``fn``,
    ``tn`` (cases of a classification, pixels of a segmentation) and the metrics that exist per class. ``confusion``
    (one label per case only): true class down, predicted class across. ``empty_policy`` (segmentation only): what a
    class is worth in a case where neither truth nor prediction has it. ``checks`` says what was asked of the run and
    whether it holds; beside a baseline ``baseline`` has the differences
    (:class:`~imaging_core.report.regression.Regression`). ``surface`` and ``lesions``: see
    :func:`~imaging_core.report.measured.measured_document`; metrics that a run did not measure, and those
    that are not ``chosen`` (names; none means all), are not there at all.

    Raises:
        UsageError: a name is not that of a metric of this task.
    """
    index, model, columns, cases = merged.expected.index, merged.model, merged.columns, merged.cases
    task = model.card.task if model else index.dataset.task
    check_chosen(task, chosen)
    always = [metric.name for metric in metrics_of(task) if metric.collected is None]
    patients = merged.expected.patients
    drawn = patients[columns.scored] if columns and patients is not None else None
    unknown: tuple[dict[str, Values], dict[str, Any]] = (dict.fromkeys(always, Values()), {})
    values, intervals = unknown if cases is None else scores(cases, drawn, chosen)
    kinds = [reason.kind for row, reason in merged.reasons.items() if merged.state_of(row) == "failed"]
    document: dict[str, Any] = {
        "format": 1,
        "task": task,
        "kind": model.card.output.kind if model else None,
        "classes": list(columns.classes if columns else index.dataset.classes),
        **verdict.document(),
        "policy": index.policy,
        "split": index.split,
        "dataset": {
            "sha256": index.dataset.sha256,
            "name": index.dataset.name,
            "images": index.dataset.images,
        },
        "model": model
        and {
            "sha256": model.model,
            "name": model.card.name,
            "architecture": model.card.architecture.name,
        },
        "cases": {
            "expected": len(merged.state),
            **{state: merged.count(state) for state in ("done", "failed", "skipped", "missing")},
            "scored": int(columns.scored.sum()) if columns else 0,
        },
        "failed_by_kind": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
        "compute_classes": [dict(each) for each in merged.compute_classes],
        "metrics": aggregations(values),
        "intervals": {
            "level": LEVEL,
            "of": "cases" if patients is None else "patients",
            "resamples": RESAMPLES,
            "seed": SEED,
            "metrics": intervals,
        },
        "per_class": _per_class(columns.classes, cases, values) if columns and cases is not None else [],
        "groups": groups_document(merged, task, chosen),
    }
    if isinstance(columns, SegmentationColumns):
        document["empty_policy"] = columns.empty
        document |= measured_document(columns)
    elif isinstance(cases, ClassificationCases) and cases.kind != "multilabel":
        document["confusion"] = cases.confusion.tolist()
    return document


def _per_class(
    classes: Sequence[str], cases: ClassificationCases | SegmentationCases, values: dict[str, Values]
) -> list[dict[str, Any]]:
    if isinstance(cases, SegmentationCases):
        by_case = cases.counts
        counts = by_case.sum(axis=0)
        support = np.count_nonzero(by_case[..., TP] + by_case[..., FN], axis=0)
    else:
        counts = cases.counts
        support = counts[:, TP] + counts[:, FN]
    return [
        {
            "class": name,
            "support": int(support[k]),
            "tp": int(counts[k, TP]),
            "fp": int(counts[k, FP]),
            "fn": int(counts[k, FN]),
            "tn": int(counts[k, TN]),
            **{metric: value.per_class[k] for metric, value in values.items() if value.per_class},
        }
        for k, name in enumerate(classes)
    ]
