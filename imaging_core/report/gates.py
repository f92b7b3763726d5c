"""What a caller asks of a run's figures, judged from the values of ``metrics.json``."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from imaging_core.metrics.merge import Merged
from imaging_core.report.document import metrics_document
from imaging_core.report.regression import Regression
from imaging_core.report.requirements import Requirement
from imaging_core.report.verdict import Check, Rules, Verdict, judge

NO_REGRESSION = "no regression"


def judged(
    merged: Merged, rules: Rules, chosen: Collection[str] = (), regression: Regression | None = None
) -> tuple[Verdict, dict[str, Any]]:
    """The verdict on a run, and the values of its ``metrics.json``, which hold it.

    Args:
        merged: the run.
        rules: what is asked of it.
        chosen: names of the metrics that are wanted, beside those that ``rules`` require; none means all.
        regression: the run beside its baseline.

    Raises:
        UsageError: a name in ``chosen``, or a figure in ``rules``, is none of this task.
    """
    verdict = judge(merged, rules)
    document = metrics_document(merged, verdict, {*chosen, *(each.metric for each in rules.require)} if chosen else ())
    verdict = verdict.with_checks(required(document, rules.require))
    if regression is not None:
        verdict = verdict.with_checks([not_worse(regression)])
        document["baseline"] = regression.document()
    return verdict, document | verdict.document()


def required(document: Mapping[str, Any], require: Sequence[Requirement]) -> list[Check]:
    """One check for each requirement.

    Raises:
        UsageError: no run of this task and these classes has such a figure.
    """
    checks = []
    for each in require:
        each.check(document["task"], document["classes"])
        value = each.value(document)
        checks.append(Check("requirement", each.text, each.holds(value), each.words(value), value))
    return checks


def not_worse(regression: Regression) -> Check:
    """The check of a run beside its baseline."""
    return Check("no_regression", NO_REGRESSION, not regression.problems, regression.words())


def judged_again(
    document: Mapping[str, Any], require: Sequence[Requirement], regression: Regression | None
) -> dict[str, Any]:
    """The values of ``metrics.json`` with more that is asked of them; what was asked before stays asked.

    Raises:
        UsageError: no run of this task and these classes has a required figure.
    """
    checks = required(document, require) + ([not_worse(regression)] if regression else [])
    anew = {check.name for check in checks}
    before = [check for check in document.get("checks", ()) if check["name"] not in anew]
    stays = all(check["holds"] for check in before) if "checks" in document else document["acceptable"]
    return {
        **document,
        "acceptable": stays and all(check.holds for check in checks),
        "checks": [*before, *Verdict(tuple(checks)).document()["checks"]],
        **({"baseline": regression.document()} if regression else {}),
    }
