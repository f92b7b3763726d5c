"""Compared runs in words: for a terminal, for scripts, and as one page."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from imaging_core.metrics.comparison import Comparison, Difference, PairedTest
from imaging_core.metrics.registry import HEADLINE, titles
from imaging_core.report.figures import difference, difference_interval, figure
from imaging_core.report.page import comparison_page

SHOWN = 20
"""Cases that changed most."""

SURE = 0.05
AGGREGATIONS = {"mean": "per case", "pooled": "pooled", "macro": "macro"}


@dataclass(frozen=True, slots=True)
class Compared:
    """One run.

    Attributes:
        location: as text.
        model: its name.
    """

    location: str
    model: str


def lines(first: Compared, others: Sequence[tuple[Compared, Comparison]]) -> list[str]:
    """For a terminal: a table for each of the other runs."""
    said = [f"first   {first.location}: {first.model}"]
    for run, found in others:
        said += ["", f"this    {run.location}: {run.model}", f"        {_cases(found)}", ""]
        rows = [["", "first", "this", "difference", "95 % interval"]]
        rows += [
            [row["title"], row["first"], row["second"], row["difference"], row["interval"]] for row in _rows(found)
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        said += [
            "  "
            + row[0].ljust(widths[0])
            + "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
            for row in rows
        ]
        said += ["", *([_test(found.test)] if found.test else [])]
        for case in found.changed[:SHOWN]:
            said.append(f"  case {case.case}: {_value(found, case.first)} → {_value(found, case.second)}")
        if len(found.changed) > SHOWN:
            said.append(f"  and {len(found.changed) - SHOWN} more cases")
    return said


def document(first: Compared, others: Sequence[tuple[Compared, Comparison]]) -> dict[str, Any]:
    """For scripts; every case that changed is in it."""
    return {
        "first": asdict(first),
        "others": [
            {
                **asdict(run),
                **asdict(found),
                "differences": [{**asdict(each), "difference": each.difference} for each in found.differences],
            }
            for run, found in others
        ],
    }


def page(first: Compared, others: Sequence[tuple[Compared, Comparison]]) -> bytes:
    """One file, as the report of a run."""
    tests = [found.test for _, found in others if found.test]
    differ = [test.p < SURE for test in tests]
    if not differ:
        verdict, state = "Compared", "good"
    elif any(differ):
        verdict, state = "The runs differ", "warn"
    else:
        verdict, state = "No difference beyond chance", "good"
    view: Mapping[str, Any] = {
        "verdict": verdict,
        "state": state,
        "first": first,
        "others": [
            {
                "location": run.location,
                "model": run.model,
                "lead": _lead(run, found),
                "cases": _cases(found),
                "of": found.of,
                "test": _test(found.test) if found.test else "",
                "rows": _rows(found),
                "changed": [
                    {
                        "case": case.case,
                        "first": _value(found, case.first),
                        "second": _value(found, case.second),
                    }
                    for case in found.changed[:SHOWN]
                ],
                "more": max(len(found.changed) - SHOWN, 0),
            }
            for run, found in others
        ],
    }
    return comparison_page(view)


def _lead(run: Compared, found: Comparison) -> str:
    """What became of the headline figure, in a sentence."""
    name, aggregation = HEADLINE[found.task]
    chosen = [each for each in found.differences if (each.metric, each.aggregation) == (name, aggregation)]
    if not chosen:
        return f"{run.model}: no {titles(found.task)[name]} in both."
    (each,) = chosen
    words = f"{run.model}: {titles(found.task)[name]} {figure(each.first)} \N{RIGHTWARDS ARROW} {figure(each.second)}"
    return f"{words}, p = {figure(found.test.p, 3)}." if found.test else f"{words}."


def _rows(found: Comparison) -> list[dict[str, Any]]:
    of_metric = titles(found.task)
    return [
        {
            "title": f"{of_metric[each.metric]}, {AGGREGATIONS[each.aggregation]}",
            "first": figure(each.first),
            "second": figure(each.second),
            "difference": difference(each.difference),
            "interval": difference_interval(each.interval.low, each.interval.high) if each.interval else "",
            "sure": _sure(each),
        }
        for each in found.differences
    ]


def _sure(each: Difference) -> bool:
    return each.interval is not None and (each.interval.low > 0 or each.interval.high < 0)


def _cases(found: Comparison) -> str:
    apart = [
        f"{count} only in {which}"
        for count, which in ((found.only_first, "first"), (found.only_second, "this"))
        if count
    ]
    return ", ".join([f"{found.cases} cases scored in both", *apart])


def _test(test: PairedTest) -> str:
    words = test.words.replace("the second run", "this run").replace("the second", "this one")
    return f"{test.name}: p = {figure(test.p, 3)}; {words.replace('the first run', 'the first')}"


def _value(found: Comparison, value: float) -> str:
    if found.task == "segmentation":
        return f"IoU {figure(value)}"
    return "right" if value else "wrong"
