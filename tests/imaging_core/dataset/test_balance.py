"""Samples are dealt out to shards whose costs differ by at most that of one sample."""

from hypothesis import given
from hypothesis import strategies as st

from imaging_core.dataset.balance import balance

costs = st.lists(st.integers(0, 50) | st.integers(0, 10**9), min_size=1, max_size=60)


@given(costs, st.integers(1, 70))
def test_every_sample_is_in_one_shard_and_costs_are_even(costs, shards):
    dealt = balance(costs, shards)
    assert sorted(position for members in dealt for position in members) == list(range(len(costs)))
    loads = [sum(costs[position] for position in members) for members in dealt]
    assert max(loads) - min(loads) <= max(costs)


@given(costs, st.integers(1, 70))
def test_there_are_as_many_shards_as_asked_for_or_as_samples_and_none_is_empty(costs, shards):
    dealt = balance(costs, shards)
    assert len(dealt) == min(shards, len(costs))
    assert all(dealt)


@given(costs, st.integers(1, 70))
def test_a_shard_keeps_the_order_of_the_file(costs, shards):
    assert all(members == sorted(members) for members in balance(costs, shards))


@given(st.integers(1, 1000), st.integers(1, 50))
def test_samples_of_one_cost_are_dealt_in_turn(samples, shards):
    dealt = balance([7] * samples, shards)
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1
    assert dealt == [list(range(first, samples, len(dealt))) for first in range(len(dealt))]


def test_the_costliest_come_first_and_ties_go_to_the_earlier():
    assert balance([1, 5, 3, 3, 2, 2], 2) == [[0, 1, 4], [2, 3, 5]]


def test_files_without_bytes_spread_too():
    assert balance([0, 0, 4, 0], 3) == [[2], [0, 3], [1]]
