"""Whether a run is complete and acceptable, and what to do when it is not."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from imaging_core.metrics.merge import Merged
from imaging_core.report.requirements import Requirement

CheckKind = Literal["complete", "failed", "one_class", "requirement", "no_regression"]
OF_FIGURES: tuple[CheckKind, ...] = ("requirement", "no_regression")


@dataclass(frozen=True, slots=True)
class Rules:
    """What the caller accepts.

    Attributes:
        max_failed: how many cases may fail: a count (int), or a fraction of the expected cases (float, in [0, 1]).
        require_one_class: whether results of several compute classes are unacceptable.
        require: limits that figures must meet.
    """

    max_failed: int | float = 0
    require_one_class: bool = False
    require: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was asked of a run.

    Attributes:
        name: for a person; of a requirement its text.
        says: what was found, beside what was asked, in a few words.
        value: the figure of a requirement; None where it is undefined.
    """

    kind: CheckKind
    name: str
    holds: bool
    says: str
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one run: everything that was asked of it, completeness first."""

    checks: tuple[Check, ...]

    @property
    def complete(self) -> bool:
        """Every expected case is done, failed or skipped."""
        return all(check.holds for check in self.checks if check.kind == "complete")

    @property
    def acceptable(self) -> bool:
        """Everything holds."""
        return all(check.holds for check in self.checks)

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence for each thing that makes it unacceptable."""
        return tuple(check.says for check in self.checks if not check.holds)

    def holds(self, kind: CheckKind) -> bool:
        """Whether all checks of a kind hold."""
        return all(check.holds for check in self.checks if check.kind == kind)

    def with_checks(self, checks: Iterable[Check]) -> "Verdict":
        """With more that was asked."""
        return replace(self, checks=(*self.checks, *checks))

    def document(self) -> dict[str, Any]:
        """The parts of ``metrics.json`` that say it."""
        checks = [
            {"kind": check.kind, "name": check.name, "holds": check.holds, "says": check.says}
            | ({"value": check.value} if check.kind == "requirement" else {})
            for check in self.checks
        ]
        return {"complete": self.complete, "acceptable": self.acceptable, "checks": checks}


def judge(merged: Merged, rules: Rules) -> Verdict:
    """Judge how far a merged run is and how its cases ended; what is asked of figures is judged by ``gates``."""
    expected, missing, failed = len(merged.state), merged.count("missing"), merged.count("failed")
    whole = f"all of {plural(expected, 'case')} done, failed or skipped"
    if missing:
        whole = f"{missing} of {expected} cases {'is' if missing == 1 else 'are'} missing"
    elif merged.incomplete:
        whole = f"{plural(len(merged.incomplete), 'shard')} not finished: no summary was written"
    few = not _too_many(failed, expected, rules.max_failed)
    checks = [
        Check("complete", "complete", not missing and not merged.incomplete, whole),
        Check("failed", "failed cases", few, f"{plural(failed, 'case')} failed, {_allowed(rules.max_failed)}"),
    ]
    if rules.require_one_class:
        count = len(merged.compute_classes)
        says = f"mixed compute classes: {count}, where one was required" if count > 1 else "of one compute class"
        checks.append(Check("one_class", "one compute class", count <= 1, says))
    return Verdict(tuple(checks))


def next_commands(
    merged: Merged, verdict: Verdict, run: str, *, recorded: bool, cluster: bool = False
) -> list[tuple[str, str]]:
    """What to type next for an unacceptable run.

    Args:
        merged: the run.
        verdict: its judgement.
        run: its location.
        recorded: whether ``run.json`` is there, so that the workflow can resume it.
        cluster: whether the run was begun on a cluster, and is resumed there.

    Returns:
        Why, and the command, for each step worth taking.
    """
    commands: list[tuple[str, str]] = []
    place = shlex.quote(run)
    resume = f"python -m workflows.distributed_inference {'resume' if cluster else 'run --resume'} {place}"
    temporary = sum(reason.temporary for reason in merged.reasons.values())
    if (not verdict.complete or (temporary and not verdict.acceptable)) and recorded:
        commands.append(("Do only what is missing or failed for a passing reason:", resume))
    elif not verdict.complete:
        shard = merged.incomplete[0]
        others = f" (and so for {len(merged.incomplete) - 1} more)" if len(merged.incomplete) > 1 else ""
        infer = f"python -m steps.infer --run {place} --shard {shard} --model MODEL --threads-per-step 1"
        commands.append((f"Finish shard {shard}{others}, then gather again:", infer))
    failed = merged.count("failed")
    if failed > temporary and not verdict.acceptable and recorded:
        commands.append(("Once the causes below are mended, try every failed case again:", f"{resume} --retry-failed"))
    if verdict.complete and not verdict.holds("failed"):
        accept = f"python -m steps.gather --run {place} --max-failed {failed}"
        commands.append(("If these failures are acceptable:", accept))
    return commands


def plural(count: int, thing: str) -> str:
    """``1 case``, ``2 cases``."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def _too_many(failed: int, expected: int, limit: int | float) -> bool:
    # Both quotients are rounded once from the same number, so that 29 of 100 is not more than 29%.
    return failed > limit if isinstance(limit, int) else bool(expected) and failed / expected > limit


def _allowed(limit: int | float) -> str:
    if isinstance(limit, int):
        return f"{limit} allowed" if limit else "none allowed"
    return f"{limit * 100:g}% allowed"
