"""How many threads fetch or write at once is found out by what they bring."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from imaging_core.inference.concurrency import IN_FLIGHT_BYTES, Concurrency

FIRST, MOST = 4, 32


class Store:
    """Gives an item to each thread after some seconds, and no more a second than it can."""

    def __init__(self, concurrency: Concurrency, seconds: float, most: float = float("inf"), weight: int = 500):
        self.concurrency, self.seconds, self.most, self.weight = concurrency, seconds, most, weight
        self.now = self.brought = self.waited = 0.0
        self.threads: list[int] = []

    def give(self, seconds: float, *, awaited: bool = True) -> int:
        """So many seconds pass, in which others wait for the items or do not; returns the threads at their end."""
        end = self.now + seconds
        while self.now < end:
            self.now += 0.2
            self.brought += 0.2 * min(self.most, self.concurrency.threads / self.seconds)
            self.waited += 0.2 * awaited
            items = int(self.brought)
            self.threads.append(self.concurrency.look(self.now, items, self.weight, self.waited))
        return self.threads[-1]


def test_threads_that_wait_for_a_store_far_away_become_more_while_that_brings_more():
    store = Store(Concurrency(FIRST, MOST), seconds=0.03)
    assert store.give(8) == MOST
    assert sorted(set(store.threads)) == [4, 8, 16, 32]
    assert store.give(30) == MOST


def test_what_was_brought_before_says_nothing_of_these_threads():
    store = Store(Concurrency(FIRST, MOST), seconds=0.03)
    store.brought, store.waited = 5000, 40.0
    store.give(8)
    assert store.threads == sorted(store.threads)
    assert store.threads[-1] == MOST


def test_they_stay_as_they_are_while_nobody_waits_for_them():
    assert Store(Concurrency(FIRST, MOST), seconds=0.03).give(30, awaited=False) == FIRST


def test_where_the_store_can_give_no_more_they_go_back_and_try_again_only_now_and_then():
    store = Store(Concurrency(FIRST, MOST), seconds=0.03, most=100)
    store.give(60)
    assert set(store.threads) == {FIRST, 2 * FIRST}
    assert store.threads.count(FIRST) > 3 * store.threads.count(2 * FIRST)

    store.most = 300  # and find out when it can give more after all
    store.give(20)
    assert min(store.threads[-50:]) > FIRST


def test_one_waits_for_slow_answers_before_it_judges():
    store = Store(Concurrency(FIRST, MOST), seconds=2.0)
    assert store.give(3) == FIRST
    assert store.give(60) == MOST


def test_those_that_hold_large_items_are_few():
    store = Store(Concurrency(FIRST, MOST), seconds=0.2, weight=IN_FLIGHT_BYTES // 10)
    assert store.give(20) == 2 * FIRST
    store.weight = IN_FLIGHT_BYTES
    assert store.give(20) == FIRST


@given(
    st.integers(1, 8),
    st.integers(1, 64),
    st.lists(st.tuples(st.floats(0, 5), st.integers(0, 10**4), st.integers(0, 2**30), st.floats(0, 5)), max_size=60),
)
def test_whatever_comes_they_are_never_too_few_nor_too_many(first, most, steps):
    concurrency, now, brought, largest, waited = Concurrency(first, most), 0.0, 0, 0, 0.0
    seen = [first]
    for seconds, items, each, longer in steps:
        now, brought, largest, waited = now + seconds, brought + items, max(largest, each), waited + longer
        seen.append(concurrency.look(now, brought, largest, waited))
        assert seen[-1] <= max(first, IN_FLIGHT_BYTES // max(1, largest))
    assert all(first <= threads <= max(first, most) for threads in seen)
    assert all(after <= 2 * before for before, after in pairwise(seen))
