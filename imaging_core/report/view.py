"""What the page says, as plain values for the template: numbers are already text, texts are not yet escaped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imaging_core import __version__
from imaging_core.metrics.baseline import Baseline
from imaging_core.metrics.merge import Merged
from imaging_core.metrics.registry import BY_CLASS, BY_GROUP, HEADLINE, metrics_of, titles
from imaging_core.metrics.segmentation import SegmentationCases
from imaging_core.report import figures
from imaging_core.report.advice import SHOWN, troubles
from imaging_core.report.again import again
from imaging_core.report.captions import describe
from imaging_core.report.cost import Price, spent
from imaging_core.report.gallery import Group
from imaging_core.report.measured import measured_classes, remarks
from imaging_core.report.picture import Picture
from imaging_core.report.regression import differences
from imaging_core.report.timings import ShardTime, balance, cached
from imaging_core.report.verdict import OF_FIGURES, Verdict, plural

if TYPE_CHECKING:
    from imaging_core.report.plots import Plot

LONG_NAME = 12
"""Longer class names need wider pictures to stand below."""

CELLS = ("tp", "fp", "fn", "tn")


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that the page is made from.

    Attributes:
        document: the values of ``metrics.json``.
        constant: what the headline figure is read against, if there is such a thing.
        groups: the cases to show.
        pictures: by row.
        times: of the shards that have them.
        price: of the machine of one shard, where it is known.
        record: ``run.json``, or empty.
        location: of the run, as text.
        commands: what to type next, each with its reason.
    """

    merged: Merged
    verdict: Verdict
    document: Mapping[str, Any]
    constant: Baseline | None
    groups: Sequence[Group]
    pictures: Mapping[int, Picture]
    times: Sequence[ShardTime]
    price: Price | None
    record: Mapping[str, Any]
    location: str
    commands: Sequence[tuple[str, str]]


def build(inputs: Inputs) -> dict[str, Any]:
    """The template's variables."""
    merged, document = inputs.merged, inputs.document
    index, model = merged.expected.index, merged.model
    return {
        "verdict": _verdict(inputs),
        "reference": index.policy == "reference",
        "run": inputs.location.rstrip("/").rpartition("/")[2],
        "location": inputs.location,
        "dataset": index.dataset,
        "split": index.split,
        "warnings": index.warnings,
        "card": model.card if model else None,
        "digest": model.model if model else None,
        "codes": merged.codes,
        "classes": [_compute_class(each) for each in merged.compute_classes],
        "record": inputs.record,
        "image": _map(inputs.record, "pods").get("image"),
        "parameters": _parameters(inputs.record),
        "again": again(_map(inputs.record, "parameters"), _map(inputs.record, "pods"), inputs.location),
        "commands": inputs.commands,
        "checks": _checks(document),
        "baseline": document.get("baseline"),
        "differences": differences(document),
        "cases": document["cases"],
        "completeness": _completeness(document["cases"]),
        "missing": _missing(merged),
        "metrics": _metrics(document),
        "intervals": document["intervals"],
        "per_class": _per_class(document),
        "measured": measured_classes(document),
        "groups_by": [_grouped(document, feature, found) for feature, found in document["groups"].items()],
        "task": document["task"],
        "kind": document["kind"],
        "empty_policy": document.get("empty_policy"),
        "plots": _plots(merged, document),
        "remarks": remarks(document),
        "names": document["classes"],
        "heat": figures.heat_map(document["confusion"]) if "confusion" in document else None,
        "confusions": figures.frequent_confusions(document.get("confusion", []), document["classes"]),
        "groups": [
            {
                "title": group.title,
                "explanation": group.explanation,
                "cases": [describe(merged, row, inputs.pictures.get(row, Picture())) for row in group.rows],
            }
            for group in inputs.groups
        ],
        "roomy": document["kind"] == "multilabel" or max(map(len, document["classes"]), default=0) > LONG_NAME,
        "troubles": troubles(merged),
        "ids_shown": SHOWN,
        "balance": balance(inputs.times),
        "cached": cached(inputs.times),
        "spent": spent(inputs.times, inputs.price),
        "version": __version__,
    }


def _verdict(inputs: Inputs) -> dict[str, Any]:
    document, verdict, cases = inputs.document, inputs.verdict, inputs.document["cases"]
    name, aggregation = HEADLINE[document["task"]]
    title = _title(document, name)
    value = document["metrics"][name][aggregation]
    if verdict.acceptable:
        state, words = "good", "Complete and acceptable"
    elif verdict.complete:
        state, words = "warn", "Complete, but not acceptable"
    else:
        state, words = "bad", "Incomplete"
    constant = inputs.constant
    sentences = [f"{problem[0].upper()}{problem[1:]}." for problem in verdict.problems]
    return {
        "state": state,
        "words": words,
        "sentences": sentences or [_accounted(cases)],
        "figure": figures.figure(value),
        "interval": figures.interval(document["intervals"]["metrics"].get(name, {}).get(aggregation)),
        "share": value,
        "metric": title,
        "scored": f"{cases['scored']:,} of {plural(cases['expected'], 'case')} scored",
        "unscored": cases["done"] - cases["scored"],
        "mixed": len(document["compute_classes"]),
        "constant": constant
        and {
            "answer": None if constant.answer is None else document["classes"][constant.answer],
            "figure": figures.figure(constant.value),
            "better": value is not None and value < constant.value,
        },
    }


def _checks(document: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Every check, when more was asked than that few enough cases fail."""
    checks: Sequence[Mapping[str, Any]] = document["checks"]
    return checks if any(check["kind"] in OF_FIGURES for check in checks) else []


def _parameters(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What ``run.json`` says was asked, and with which versions."""
    rows = [(str(key).replace("_", " "), _text(value)) for key, value in _map(record, "parameters").items()]
    return rows + [(str(name), _text(value)) for name, value in _map(record, "versions").items()]


def _map(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = record.get(key)
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not given" if value is None else str(value)


def _accounted(cases: Mapping[str, int]) -> str:
    if cases["done"] == cases["expected"]:
        return "The one case was inferred." if cases["done"] == 1 else f"All {cases['done']:,} cases were inferred."
    parts = [f"{cases['done']:,} of {plural(cases['expected'], 'case')} inferred"]
    if cases["failed"]:
        parts.append(f"{cases['failed']:,} failed, as many as were allowed or fewer")
    if cases["skipped"]:
        parts.append(f"{cases['skipped']:,} skipped by rule")
    return "; ".join(parts) + "."


def _compute_class(values: Mapping[str, Any]) -> dict[str, Any]:
    """In a few words, and every key with its value; the libraries last."""
    libraries = values.get("libraries")
    rows = [(key.replace("_", " "), str(value)) for key, value in values.items() if key != "libraries" and value]
    if isinstance(libraries, Mapping):
        rows += [(str(name), str(version)) for name, version in sorted(libraries.items())]
    threads = values.get("threads")
    named = [values.get(key) for key in ("device", "instruction_set", "model", "precision")]
    words = [str(value) for value in named if value] + ([plural(threads, "thread")] if type(threads) is int else [])
    return {"words": ", ".join(words), "rows": rows}


def _completeness(cases: Mapping[str, int]) -> list[dict[str, Any]]:
    meanings = {
        "done": "inferred; with a ground truth also scored",
        "failed": "cannot be inferred or scored, for a reason given below",
        "skipped": "left out by a named rule",
        "missing": "not inferred yet: nothing is known of these",
    }
    return [
        {
            "state": state,
            "count": cases[state],
            "share": cases[state] / cases["expected"] if cases["expected"] else 0.0,
            "percent": figures.percent(cases[state] / cases["expected"]) if cases["expected"] else "",
            "meaning": meaning,
        }
        for state, meaning in meanings.items()
    ]


def _missing(merged: Merged) -> dict[str, Any] | None:
    rows = merged.rows("missing")
    if not len(rows) and not merged.incomplete:
        return None
    return {
        "shards": merged.incomplete[:SHOWN],
        "more_shards": max(len(merged.incomplete) - SHOWN, 0),
        "of_shards": len(merged.expected.index.shards),
        "cases": [merged.expected.id(row) for row in rows[:SHOWN].tolist()],
        "more_cases": max(len(rows) - SHOWN, 0),
    }


def _metrics(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    intervals = document["intervals"]["metrics"]
    return [
        {
            "title": metric.title,
            "explanation": metric.explanation,
            "values": [
                (
                    figures.figure(document["metrics"][metric.name][key]),
                    figures.interval(intervals.get(metric.name, {}).get(key)),
                )
                for key in ("mean", "pooled", "macro")
            ],
        }
        for metric in metrics_of(document["task"])
        if metric.name in document["metrics"]
    ]


def _grouped(document: Mapping[str, Any], feature: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """The table of one feature's groups: the headline figure and what else shows where a model fails."""
    shown = [(name, aggregation, _title(document, name)) for name, aggregation in BY_GROUP[document["task"]]]
    shown = [each for each in shown if each[0] in document["metrics"]]
    gap, scored = found["gap"], {group["name"]: plural(group["scored"], "case") for group in found["groups"]}
    return {
        "feature": feature,
        "titles": [title for _, _, title in shown],
        "rows": [
            {
                "name": group["name"],
                "scored": f"{group['scored']:,}",
                "values": [
                    (
                        figures.figure(group["metrics"][name][aggregation]),
                        figures.interval(group["intervals"].get(name, {}).get(aggregation)),
                    )
                    for name, aggregation, _ in shown
                ],
            }
            for group in found["groups"]
        ],
        "gap": gap
        and {
            "metric": _title(document, gap["metric"]),
            "figure": figures.figure(gap["difference"]),
            "lowest": f"{gap['lowest']} (lowest, {scored[gap['lowest']]})",
            "highest": f"{gap['highest']} (highest, {scored[gap['highest']]})",
        },
    }


def _title(document: Mapping[str, Any], name: str) -> str:
    return titles(document["task"])[name]


def _per_class(document: Mapping[str, Any]) -> dict[str, Any]:
    """The table of the classes: which metrics it has, and a row each with the metrics' values and bars."""
    rows = document["per_class"]
    shown = [each for each in metrics_of(document["task"]) if rows and each.name in rows[0] and each.name in BY_CLASS]
    return {
        "titles": [metric.title for metric in shown],
        "counts": document["kind"] == "multilabel" and document["task"] == "classification",
        "rows": [
            {
                "name": row["class"],
                "support": f"{row['support']:,}",
                "cells": [f"{row[cell]:,}" for cell in CELLS],
                "values": [(figures.figure(row[metric.name]), row[metric.name]) for metric in shown],
            }
            for row in rows
        ],
    }


def _plots(merged: Merged, document: Mapping[str, Any]) -> "list[Plot]":
    cases = merged.cases
    if cases is None or not len(cases):
        return []
    # importing matplotlib takes as long as all the rest of gather's start
    from imaging_core.report.classification_plots import classification_plots
    from imaging_core.report.segmentation_plots import segmentation_plots

    return segmentation_plots(cases) if isinstance(cases, SegmentationCases) else classification_plots(cases, document)
