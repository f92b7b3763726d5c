"""Stages and queues: bounded, timed, and never left waiting when one of them fails."""

import threading
import time

import pytest

from imaging_core.inference.flow import Channel, Closed, Flow, Stopped


def forward(source, target, work=lambda item: item):
    def body():
        while True:
            target.put(work(source.get()))

    return body


def drained(channel):
    items = []
    try:
        while True:
            items.append(channel.get())
    except Closed:
        return items


def test_items_pass_through_stages_in_order_and_the_end_follows_them():
    flow = Flow()
    first: Channel[int] = flow.channel(2)
    second: Channel[int] = flow.channel(2)
    third: Channel[int] = flow.channel(2)

    def produce():
        for number in range(100):
            first.put(number)

    flow.start("produce", 1, produce, first.close)
    flow.start("double", 1, forward(first, second, lambda item: 2 * item), second.close)
    flow.start("pass", 1, forward(second, third), third.close)
    assert drained(third) == [2 * number for number in range(100)]
    flow.join()
    assert set(flow.times) == {"produce", "double", "pass"}


def test_a_queue_closes_after_the_last_of_several_threads():
    flow = Flow()
    channel: Channel[int] = flow.channel(3)
    numbers = iter(range(200))
    lock = threading.Lock()

    def produce():
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            channel.put(number)

    flow.start("produce", 5, produce, channel.close)
    assert sorted(drained(channel)) == list(range(200))


def test_a_queue_holds_no_more_than_its_bounds():
    flow = Flow()
    by_count: Channel[int] = flow.channel(2)
    by_weight: Channel[int] = flow.channel(100, weight=10)
    for channel, weight in ((by_count, 0), (by_weight, 5)):
        channel.put(1, weight)
        channel.put(2, weight)
        with pytest.raises(TimeoutError):
            channel.put(3, weight, seconds=0.01)
        assert channel.get() == 1
        channel.put(3, weight, seconds=1)


def test_an_item_heavier_than_the_queue_passes_alone():
    flow = Flow()
    channel: Channel[int] = flow.channel(10, weight=10)
    channel.put(1, 50)
    with pytest.raises(TimeoutError):
        channel.put(2, 1, seconds=0.01)
    assert channel.get() == 1
    channel.put(2, 1, seconds=0.01)


def test_all_that_wait_are_let_in_when_one_heavy_item_makes_room_for_them():
    flow = Flow()
    channel: Channel[int] = flow.channel(10, weight=10)
    channel.put(0, 10)
    flow.start("light", 5, lambda: channel.put(1, 2), channel.close)
    flow.join(0.05)
    assert flow.running
    assert channel.get() == 0
    flow.join(10)
    assert not flow.running
    assert drained(channel) == [1] * 5


def test_an_error_in_one_stage_ends_all_and_is_raised_in_the_thread_that_waits():
    flow = Flow()
    full: Channel[int] = flow.channel(1)
    empty: Channel[int] = flow.channel(1)

    def fail():
        time.sleep(0.05)
        raise ValueError("the disk is on fire")

    def fill():
        while True:
            full.put(1)

    flow.start("fill", 2, fill, lambda: None)
    flow.start("starve", 2, empty.get, lambda: None)
    flow.start("fail", 1, fail, lambda: None)
    with pytest.raises(Stopped):
        empty.get(seconds=10)
    with pytest.raises(ValueError, match="on fire"):
        flow.join(10)
    assert not flow.running


def test_waiting_and_working_are_told_apart():
    flow = Flow()
    ready: Channel[int] = flow.channel(1)
    channel: Channel[int] = flow.channel(1)

    def produce():
        ready.get()
        time.sleep(0.2)
        channel.put(1)

    def consume():
        ready.put(1)
        drained(channel)

    flow.start("produce", 1, produce, channel.close)
    flow.start("consume", 1, consume, lambda: None)
    flow.join()
    assert flow.times["produce"].busy_seconds >= 0.2
    assert flow.times["consume"].wait_seconds > 0


def test_one_thread_that_does_all_stages_counts_its_time_for_each():
    flow = Flow()
    seen = []
    last = flow.call("last", seen.append)

    def middle(number):
        time.sleep(0.2)
        last.put(number)

    second = flow.call("middle", middle)
    flow.start("first", 1, lambda: [second.put(number) for number in range(4)], lambda: None)
    flow.join()
    assert seen == [0, 1, 2, 3]
    assert flow.times["middle"].busy_seconds >= 0.8
    assert flow.times["first"].busy_seconds + flow.times["last"].busy_seconds < 0.8
    assert [each.threads for each in flow.times.values()] == [1, 1, 1]


def test_an_error_in_a_stage_that_is_called_is_not_the_callers():
    flow = Flow()
    passed = []

    def fail(_item):
        raise MemoryError("full")

    def work():
        try:
            flow.call("fail", fail).put(1)
        except MemoryError:
            passed.append("mistaken for the caller's own")

    flow.start("work", 1, work, lambda: passed.append("ended well"))
    with pytest.raises(MemoryError, match="full"):
        flow.join()
    assert passed == []
    with pytest.raises(Stopped):
        flow.call("next", passed.append).put(2)
    assert passed == []


def test_a_stage_that_is_called_takes_nothing_more_once_it_is_closed():
    passed = []
    call = Flow().call("last", passed.append)
    call.put(1)
    call.close()
    with pytest.raises(Stopped):
        call.put(2)
    assert passed == [1]
