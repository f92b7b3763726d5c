"""When a run is acceptable, and what to type when it is not."""

import pytest

from imaging_core.inference.ledger import Record
from imaging_core.metrics.merge import Merged, merge
from imaging_core.report.verdict import Rules, judge, next_commands
from tests.imaging_core.report.synthetic_run import COMPUTE_CLASS, SyntheticRun, classification_records, make_card


@pytest.fixture
def merged(tmp_path):
    def build(failed: int = 0, n: int = 100, temporary: bool = False, **changes) -> Merged:
        records = classification_records(n, 1000)
        for k in range(failed):
            records[k] = Record(records[k].case, "failed", "", kind="store", reason="gone", temporary=temporary)
        synthetic = SyntheticRun(records, make_card(), 1000, ("cat", "dog", "owl"), shards=2, **changes)
        return merge(synthetic.write(tmp_path))

    return build


@pytest.mark.parametrize(
    ("failed", "limit", "acceptable"),
    [(0, 0, True), (1, 0, False), (2, 2, True), (3, 2, False), (29, 0.29, True), (30, 0.29, False), (100, 1.0, True)],
)
def test_as_many_cases_may_fail_as_were_allowed(merged, failed, limit, acceptable):
    verdict = judge(merged(failed), Rules(max_failed=limit))
    assert verdict.complete
    assert verdict.acceptable is acceptable


def test_a_percentage_is_of_the_expected_cases(merged):
    assert judge(merged(7, n=100), Rules(max_failed=0.07)).acceptable


def test_problems_are_said_in_words(merged):
    verdict = judge(merged(3, unfinished={1: 0}), Rules(max_failed=0.01))
    assert verdict.problems == ("50 of 100 cases are missing", "2 cases failed, 1% allowed")
    assert not verdict.complete


def test_all_parts_without_a_summary_is_not_complete(merged):
    verdict = judge(merged(unfinished={1: 1}), Rules())
    assert verdict.problems == ("1 shard not finished: no summary was written",)
    assert not verdict.complete


def test_mixed_compute_classes_are_a_problem_only_when_one_was_required(merged):
    mixed = merged(compute_classes={1: {**COMPUTE_CLASS, "instruction_set": "AVX512"}})
    assert judge(mixed, Rules()).acceptable
    verdict = judge(mixed, Rules(require_one_class=True))
    assert verdict.problems == ("mixed compute classes: 2, where one was required",)
    assert verdict.complete


class TestNextCommands:
    RESUME = "python -m workflows.distributed_inference run --resume '/runs/a b'"

    def commands(self, merged: Merged, recorded: bool = True, **rules) -> list[str]:
        steps = next_commands(merged, judge(merged, Rules(**rules)), "/runs/a b", recorded=recorded)
        return [command for _, command in steps]

    def test_an_acceptable_run_needs_none(self, merged):
        assert self.commands(merged(1), max_failed=1) == []

    def test_an_incomplete_run_is_resumed(self, merged):
        assert self.commands(merged(unfinished={0: 0})) == [self.RESUME]

    def test_what_a_cluster_began_is_resumed_there(self, merged):
        incomplete = merged(unfinished={0: 0})
        ((_, command),) = next_commands(
            incomplete, judge(incomplete, Rules()), "s3://runs/1", recorded=True, cluster=True
        )
        assert command == "python -m workflows.distributed_inference resume s3://runs/1"

    def test_by_hand_it_is_one_shard_at_a_time(self, merged):
        (command,) = self.commands(merged(unfinished={0: 0, 1: 0}), recorded=False)
        assert command.startswith("python -m steps.infer --run '/runs/a b' --shard 000 ")

    def test_temporary_failures_are_resumed(self, merged):
        commands = self.commands(merged(2, temporary=True))
        assert commands == [self.RESUME, "python -m steps.gather --run '/runs/a b' --max-failed 2"]

    def test_other_failures_are_tried_again_or_accepted(self, merged):
        commands = self.commands(merged(2))
        assert commands == [f"{self.RESUME} --retry-failed", "python -m steps.gather --run '/runs/a b' --max-failed 2"]
