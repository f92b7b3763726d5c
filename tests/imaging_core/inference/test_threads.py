"""The threads of a stage: their number changes while they work, nothing is lost, and the last one ends the stage."""

import threading
import time

import numpy as np
import pytest

from imaging_core.inference.threads import Threads


class Stage:
    """Passes numbers on; knows how many of its threads work at once."""

    def __init__(self, count: int) -> None:
        self.left, self.passed = iter(range(count)), []
        self.lock, self.gate = threading.Lock(), threading.Semaphore(0)
        self.working: set[int] = set()
        self.ended, self.errors = [], []
        self.threads = Threads("some", self.work, lambda: self.ended.append(sorted(self.passed)), self.errors.append)

    def work(self) -> None:
        while not self.threads.surplus():
            with self.lock:
                self.working.add(threading.get_ident())
                number = next(self.left, None)
            if number is None:
                break
            self.gate.acquire()
            with self.lock:
                self.passed.append(number)
        with self.lock:
            self.working.discard(threading.get_ident())

    def wait_for(self, count: int) -> None:
        """Until so many threads work at once."""
        until = time.monotonic() + 30
        while len(self.working) != count:
            assert time.monotonic() < until, f"{len(self.working)} threads"
            time.sleep(0.001)


def test_more_begin_at_once_and_too_many_leave_after_what_they_are_at():
    stage = Stage(1000)
    stage.threads.resize(2)
    stage.wait_for(2)
    stage.threads.resize(5)
    stage.wait_for(5)
    stage.threads.resize(1)
    stage.gate.release(8)
    stage.wait_for(1)
    assert stage.ended == []
    stage.threads.resize(3)
    stage.wait_for(3)
    stage.gate.release(2000)
    for thread in stage.threads.all:
        thread.join(30)
    assert stage.ended == [list(range(1000))]


def test_nothing_is_lost_and_the_end_comes_once_however_their_number_changes():
    drawn = np.random.default_rng(0)
    stage = Stage(5000)
    stage.threads.resize(1)
    for count in drawn.integers(1, 12, 100):
        stage.threads.resize(int(count))
        stage.gate.release(50)
    for thread in stage.threads.all:
        thread.join(30)
    assert stage.ended == [list(range(5000))]
    assert stage.errors == []


def test_none_begins_when_the_stage_has_ended():
    stage = Stage(0)
    stage.threads.resize(2)
    for thread in stage.threads.all:
        thread.join(30)
    stage.threads.resize(9)
    assert stage.threads.count == 0
    assert not any(thread.is_alive() for thread in stage.threads.all)
    assert stage.ended == [[]]


def test_the_error_of_one_is_told_and_ends_nothing_in_good_order():
    stage = Stage(10)
    stage.passed = pytest.param  # has no append
    stage.threads.resize(1)
    stage.gate.release()
    stage.threads.all[0].join(30)
    assert [type(error) for error in stage.errors] == [AttributeError]
    assert stage.ended == []


def test_where_there_is_no_room_for_another_there_are_fewer(monkeypatch):
    stage = Stage(100)
    stage.threads.resize(1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_room)
        stage.threads.resize(9)
        with pytest.raises(RuntimeError, match="can't start"):
            Stage(1).threads.resize(1)
    stage.threads.resize(2)
    stage.wait_for(2)
    stage.gate.release(200)
    for thread in stage.threads.all:
        thread.join(30)
    assert stage.ended == [list(range(100))]


def no_room(_thread):
    """What Python says when the system gives no thread."""
    raise RuntimeError("can't start new thread")
