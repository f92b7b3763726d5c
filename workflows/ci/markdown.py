"""A run as Markdown, for the page of a job or a comment on a change."""

import re
from collections.abc import Iterable, Sequence

from imaging_core.metrics.registry import HEADLINE, titles
from imaging_core.report.figures import figure, interval
from imaging_core.report.regression import differences
from workflows.ci.outcome import Outcome
from workflows.display import failed_with

COLUMNS = {"mean": "per case", "pooled": "pooled", "macro": "macro"}
MOST_STEPS = 5
_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#|~!&$])")


def markdown(outcome: Outcome) -> str:
    """GitHub's and GitLab's Markdown; nothing that came from a dataset or a model becomes markup."""
    blocks = [_heading(outcome), *_left(outcome), *_steps(outcome), *_result(outcome), _links(outcome)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _heading(outcome: Outcome) -> str:
    metrics = outcome.metrics
    if outcome.left is not None:
        return f"## \N{HOURGLASS WITH FLOWING SAND} Not waited for to its end: exit code {outcome.exit_code}"
    if metrics is None:
        return f"## \N{CROSS MARK} Inference failed: exit code {outcome.exit_code}"
    of = f"{metrics['dataset']['name'] or 'unnamed dataset'}, split {metrics['split']}"
    if not metrics["complete"]:
        return f"## \N{CROSS MARK} Incomplete: {_plain(of)}"
    if not metrics["acceptable"]:
        return f"## \N{CROSS MARK} Complete, but not acceptable: {_plain(of)}"
    return f"## \N{WHITE HEAVY CHECK MARK} Complete and acceptable: {_plain(of)}"


def _left(outcome: Outcome) -> Iterable[str]:
    if outcome.left is not None:
        yield _plain(outcome.left.why)
        yield "\n".join(f"    {command}    # {what}" for what, command in outcome.left.commands.items())


def _steps(outcome: Outcome) -> Iterable[str]:
    for failure in outcome.failures[:MOST_STEPS]:
        ended = "ended without an exit code" if failure.exit_code is None else failed_with(failure.exit_code)
        quoted = "\n".join(f"    {line}" for line in failure.message.splitlines())
        yield f"**{_plain(failure.step)}** {ended}:\n\n{quoted}"
    if (more := len(outcome.failures) - MOST_STEPS) > 0:
        yield f"and {more} more steps."


def _result(outcome: Outcome) -> Iterable[str]:
    metrics = outcome.metrics
    if metrics is None:
        return
    intervals = metrics.get("intervals", {}).get("metrics", {})
    name, aggregation = HEADLINE[metrics["task"]]
    lead = f"**{titles(metrics['task'])[name]} {figure(metrics['metrics'][name][aggregation])}**"
    if found := interval(intervals.get(name, {}).get(aggregation)):
        lead += f" (95 % interval {found})"
    cases = metrics["cases"]
    yield (
        f"{lead}, {cases['scored']} of {cases['expected']} cases scored: {cases['done']} done, "
        f"{cases['failed']} failed, {cases['skipped']} skipped, {cases['missing']} missing."
    )
    yield _table(
        ("", "asked", "found"),
        [(_sign(check["holds"]), _plain(check["name"]), _plain(check["says"])) for check in metrics.get("checks", ())],
    )
    of_task = titles(metrics["task"])
    rows = [
        (title, *(_cell(values.get(key), intervals.get(each, {}).get(key)) for key in COLUMNS))
        for each, title in of_task.items()
        if (values := metrics["metrics"].get(each))
    ]
    if cases["scored"]:
        yield _folded("Metrics", _table(("metric", *COLUMNS.values()), rows))
    if beside := differences(metrics):
        baseline = metrics["baseline"]
        yield f"Beside the baseline {_plain(baseline['run'])}, on the {baseline['cases']} cases that both scored:"
        judged = [row for row in beside if row["judged"]]
        others = [row for row in beside if not row["judged"]]
        for shown, folded in ((judged, False), (others, True)):
            table = _table(("", "metric", "baseline", "this", "difference", "95 % interval"), map(_difference, shown))
            if table:
                yield _folded("Other differences", table) if folded else table
    if outcome.failed:
        yield _table(
            ("failed", "cases", "the first of them"),
            [
                (_plain(each.kind), str(each.count), "; ".join(_plain(f"{case}: {why}") for case, why in each.cases))
                for each in outcome.failed
            ],
        )


def _difference(row: dict[str, object]) -> Sequence[str]:
    sign = "worse" if row["worse"] else ""
    return (sign, *(_plain(str(row[key])) for key in ("title", "baseline", "this", "difference", "interval")))


def _links(outcome: Outcome) -> str:
    words = [f"Run: `{outcome.run.replace('`', '')}`"]
    if outcome.workflow:
        named = f"workflow {outcome.workflow}"
        words.append(f"[{named}]({outcome.link})" if outcome.link else named)
    if outcome.report:
        web = outcome.report.startswith(("http://", "https://"))
        words.append(f"[report]({outcome.report})" if web else f"report: `{outcome.report.replace('`', '')}`")
    return ", ".join(words)


def _cell(value: float | None, found: dict[str, object] | None) -> str:
    text = figure(value)
    return f"{text} ({interval(found)})" if found else text


def _sign(holds: bool) -> str:
    return "\N{WHITE HEAVY CHECK MARK}" if holds else "\N{CROSS MARK}"


def _folded(title: str, table: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{table}\n\n</details>"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join(["| " + " | ".join(header) + " |", "|" + "---|" * len(header), *lines])


def _plain(text: str) -> str:
    """Text that shows as it is, on one line."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
