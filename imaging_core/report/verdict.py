"""Whether a run is complete and acceptable, and what to do when it is not."""

import shlex
from dataclasses import dataclass

from imaging_core.metrics.merge import Merged


@dataclass(frozen=True, slots=True)
class Rules:
    """What the caller accepts.

    Attributes:
        max_failed: how many cases may fail: a count (int), or a fraction of the expected cases (float, in [0, 1]).
        require_one_class: whether results of several compute classes are unacceptable.
    """

    max_failed: int | float = 0
    require_one_class: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one run.

    Attributes:
        complete: every expected case is done, failed or skipped.
        acceptable: complete, not too many failed, and of one compute class where that was asked for.
        problems: one sentence for each thing that makes it unacceptable.
    """

    complete: bool
    acceptable: bool
    problems: tuple[str, ...]


def judge(merged: Merged, rules: Rules) -> Verdict:
    """Judge a merged run."""
    expected, missing, failed = len(merged.state), merged.count("missing"), merged.count("failed")
    problems = []
    if missing:
        problems.append(f"{missing} of {expected} cases {'is' if missing == 1 else 'are'} missing")
    elif merged.incomplete:
        problems.append(f"{plural(len(merged.incomplete), 'shard')} not finished: no summary was written")
    complete = not problems
    if _too_many(failed, expected, rules.max_failed):
        problems.append(f"{plural(failed, 'case')} failed, {_allowed(rules.max_failed)}")
    if rules.require_one_class and len(merged.compute_classes) > 1:
        problems.append(f"mixed compute classes: {len(merged.compute_classes)}, where one was required")
    return Verdict(complete=complete, acceptable=not problems, problems=tuple(problems))


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
    if failed and verdict.complete and not verdict.acceptable:
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
