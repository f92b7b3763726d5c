"""``report/metrics.json`` in words and a small table, for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from imaging_core.errors import DataError
from imaging_core.metrics.registry import titles
from imaging_core.report.measured import remarks
from imaging_core.report.terminal import asked, headline_interval

COLUMNS = {"mean": "per case", "pooled": "pooled", "macro": "macro"}


def verdict(metrics: Mapping[str, Any]) -> list[str]:
    """Whether the result is complete and acceptable, then the metrics: lines of text.

    Raises:
        DataError: these are not metrics of this version.
    """
    try:
        return [
            *(_sentence(metrics), *_remarks(metrics), ""),
            *(*_table(metrics), *remarks(metrics), *([""] if asked(metrics) else []), *asked(metrics)),
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"report/metrics.json is not what this version writes ({error!r}); gather again") from error


def _sentence(metrics: Mapping[str, Any]) -> str:
    cases = metrics["cases"]
    counted = f"{cases['done']} of {cases['expected']} cases done, {cases['failed']} failed, {cases['skipped']} skipped"
    if not metrics["complete"]:
        return f"INCOMPLETE: {counted}, {cases['missing']} missing."
    return f"{'Complete' if metrics['acceptable'] else 'Complete, but NOT ACCEPTABLE'}: {counted}."


def _remarks(metrics: Mapping[str, Any]) -> list[str]:
    remarks = []
    if kinds := metrics["failed_by_kind"]:
        remarks.append(f"Failed: {', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))}.")
    if (classes := len(metrics["compute_classes"])) > 1:
        remarks.append(f"Mixed compute classes: {classes}; the last bits of scores may differ between them.")
    return remarks


def _table(metrics: Mapping[str, Any]) -> list[str]:
    values = metrics["metrics"]
    shown = {name: title for name, title in titles(metrics["task"]).items() if name in values}
    shown |= {name: name for name in sorted(set(values) - set(shown))}
    columns = [each for each in COLUMNS if any(values[name].get(each) is not None for name in shown)]
    if not columns:
        return ["No case was scored."]
    rows = [["", *(COLUMNS[each] for each in columns)]]
    rows += [[title, *(_figure(values[name].get(column)) for column in columns)] for name, title in shown.items()]
    scored = metrics["cases"]["scored"]
    known = headline_interval(metrics)
    return [*_aligned(rows), f"{scored} case{'s' if scored != 1 else ''} scored.", *([f"{known}."] if known else [])]


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  "
        + "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
