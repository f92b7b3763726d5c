"""Rates and time left, from nodes whose times are given."""

from pathlib import Path

import pytest

from workflows.local import Node
from workflows.local.plan import Step
from workflows.progress import Progress, duration, rate

STEP = Step("infer", ("true",), (), {}, {}, {}, None)


def node(item, **values):
    values = {"state": "running", "attempts": 1, "first_started": 100.0, "started": 100.0} | values
    return Node("infer", item, STEP, {}, Path("log"), **values)


def test_one_shards_pace_counts_from_when_it_first_spoke():
    progress, shard = Progress(), node("000")
    assert progress.of_node(shard, 103.0) is None
    shard.progress = (10, 100)
    progress.of_node(shard, 104.0)
    shard.progress = (30, 100)
    pace = progress.of_node(shard, 114.0)

    assert (pace.done, pace.total, pace.rate, pace.left) == (30, 100, 2.0, 35.0)


def test_a_retry_is_measured_anew():
    progress, shard = Progress(), node("000", progress=(90, 100))
    progress.of_node(shard, 101.0)
    shard.attempts, shard.progress = 2, (64, 100)
    progress.of_node(shard, 200.0)
    shard.progress = (84, 100)

    assert progress.of_node(shard, 210.0).rate == 2.0


def test_all_shards_together():
    progress = Progress(samples={"000": 50, "001": 50, "002": 100})
    nodes = [
        node("000", state="ended", status="Succeeded", progress=(40, 50)),
        node("001", first_started=110.0, progress=(10, 50)),
        node("002", state="waiting", attempts=0),
    ]
    pace = progress.overall(nodes, 120.0)

    assert (pace.done, pace.total, pace.rate, pace.left) == (60, 200, 3.0, 140 / 3.0)


def test_what_was_done_before_counts_as_done_but_not_for_the_rate():
    progress = Progress(samples={"000": 50, "001": 50}, before={"000": 50, "001": 20})
    pace = progress.overall([node("001", progress=(40, 50))], 110.0)

    assert (pace.done, pace.total, pace.rate, pace.left) == (90, 100, 2.0, 5.0)


def test_nothing_is_said_too_early():
    progress = Progress(samples={"000": 50})
    pace = progress.overall([node("000", progress=(5, 50))], 101.0)

    assert (pace.done, pace.rate, pace.left) == (5, None, None)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.44, "0.4 s"), (3.0, "3 s"), (59.4, "59 s"), (61, "1 min 1 s"), (3599.6, "1 h 0 min"), (7500, "2 h 5 min")],
)
def test_durations(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("per_second", "words"), [(120.4, "120/s"), (3.44, "3.4/s"), (0.2, "12/min"), (0.001, "0.06/min")]
)
def test_rates(per_second, words):
    assert rate(per_second) == words
