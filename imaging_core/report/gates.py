"""What a caller asks of a run's figures, judged from the values of ``metrics.json``."""

from collections.abc import Mapping, Sequence
from typing import Any

from imaging_core.report.regression import Regression
from imaging_core.report.requirements import Requirement
from imaging_core.report.verdict import Check

NO_REGRESSION = "no regression"


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
