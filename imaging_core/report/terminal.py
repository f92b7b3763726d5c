"""The end of a run in a terminal: completeness, metrics, verdict."""

from collections.abc import Mapping, Sequence
from typing import Any

from imaging_core.metrics.baseline import Baseline
from imaging_core.metrics.registry import HEADLINE, titles
from imaging_core.report.figures import figure, interval
from imaging_core.report.measured import remarks
from imaging_core.report.verdict import OF_FIGURES, Verdict, plural

WIDTH = 28
SHOWN = 20


def summary(
    document: Mapping[str, Any],
    verdict: Verdict,
    constant: Baseline | None,
    missing: tuple[Sequence[str], Sequence[str]],
    commands: Sequence[tuple[str, str]],
    cached: str | None = None,
) -> str:
    """What gather prints.

    Args:
        document: the values of ``metrics.json``.
        verdict: of the run.
        constant: what the headline figure is read against, if there is such a thing.
        missing: ids of unfinished shards, and of missing cases.
        commands: what to type next, each with its reason.
        cached: how many cases came from the cache, in words.
    """
    cases, dataset = document["cases"], document["dataset"]["name"] or "unnamed dataset"
    states = " + ".join(f"{cases[state]} {state}" for state in ("done", "failed", "skipped", "missing"))
    expected = f"{cases['expected']} case{'s' if cases['expected'] != 1 else ''}"
    lines = [f"{dataset}, split {document['split']}: {expected} = {states}"]
    lines += [
        f"  {what}: {' '.join(ids[:SHOWN])}{f' … and {len(ids) - SHOWN} more' if len(ids) > SHOWN else ''}"
        for what, ids in zip(("unfinished shards", "missing cases"), missing, strict=True)
        if ids
    ]
    lines += [f"  failed: {count} {kind}" for kind, count in document["failed_by_kind"].items()]
    if cached:
        lines.append(f"  {cached}")
    if document["policy"] == "reference":
        lines.append("  reference policy: grouped as the original split-yaml; not the split that the dataset names")
    if len(document["compute_classes"]) > 1:
        lines.append(f"  mixed compute classes: {len(document['compute_classes'])}")
    lines += [*_table(document), *remarks(document)] if cases["scored"] else ["nothing was scored"]
    lines += filter(None, [headline_interval(document)])
    lines += [_gap(document, feature, found) for feature, found in document["groups"].items() if found["gap"]]
    name, aggregation = HEADLINE[document["task"]]
    if constant and (document["metrics"][name][aggregation] or 0) < constant.value:
        answer = "an empty mask" if constant.answer is None else repr(document["classes"][constant.answer])
        lines.append(f"lower than a constant answer: always {answer} scores {figure(constant.value)}")
    lines += asked(document)
    problems = [check.says for check in verdict.checks if not check.holds and check.kind not in OF_FIGURES]
    lines.append("; ".join(problems) or ("complete and acceptable" if verdict.acceptable else "not acceptable"))
    for why, command in commands:
        lines += [why, f"  {command}"]
    return "\n".join(lines)


def asked(document: Mapping[str, Any]) -> list[str]:
    """What was asked of the figures, and whether it holds: ``holds   iou.mean>=0.77: …``, a line each."""
    asked = [check for check in document.get("checks", ()) if check["kind"] in OF_FIGURES]
    return [f"{'holds ' if check['holds'] else 'MISSED'}  {check['name']}: {check['says']}" for check in asked]


def headline(document: Mapping[str, Any]) -> str:
    """The figure that the report leads with, by name: ``Accuracy 0.9721``."""
    name, aggregation = HEADLINE[document["task"]]
    title = titles(document["task"])[name]
    return f"{title} {figure(document['metrics'][name][aggregation])}"


def headline_interval(document: Mapping[str, Any]) -> str:
    """Where that figure lies: ``95 % interval of Accuracy: 0.953 to 0.985``; empty where that is not known."""
    name, aggregation = HEADLINE[document["task"]]
    intervals = document.get("intervals", {}).get("metrics", {})  # not in what earlier versions wrote
    found = interval(intervals.get(name, {}).get(aggregation))
    title = titles(document["task"])[name]
    return f"95 % interval of {title}: {found}" if found else ""


def _gap(document: Mapping[str, Any], feature: str, found: Mapping[str, Any]) -> str:
    gap, scored = found["gap"], {group["name"]: plural(group["scored"], "case") for group in found["groups"]}
    title = titles(document["task"])[gap["metric"]]
    between = ", ".join(f"{gap[side]} {side} of {scored[gap[side]]}" for side in ("lowest", "highest"))
    return f"by {feature}: {title} differs by {figure(gap['difference'])} ({between})"


def _table(document: Mapping[str, Any]) -> list[str]:
    lines = [f"{'':{WIDTH}}{'per case':>10}{'pooled':>10}{'macro':>10}"]
    for name, title in titles(document["task"]).items():
        if values := document["metrics"].get(name):
            row = "".join(f"{figure(values[key]):>10}" for key in ("mean", "pooled", "macro"))
            lines.append(f"{title:{WIDTH}}{row}")
    return lines
