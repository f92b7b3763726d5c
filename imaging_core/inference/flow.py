"""Stages: groups of threads joined by bounded queues, which stop together and say how long they worked and waited.

Or one thread that does what the stages would do, each calling the next.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from imaging_core.inference.concurrency import Concurrency, Tally
from imaging_core.inference.stage_time import StageTime
from imaging_core.inference.threads import Threads

Item = TypeVar("Item")
Taken = TypeVar("Taken", contravariant=True)

GROUP_BYTES = 1024 * 1024
GROUP_SECONDS = 0.02


class Closed(Exception):  # noqa: N818 - the end of a queue is no error
    """No item is left, and none will come."""


class Stopped(Exception):  # noqa: N818
    """Another stage failed, or the run was asked to end: leave."""


class Exit(Protocol[Taken]):
    """Where a stage leaves what it made: the queue before the next stage, or this stage itself."""

    def put(self, item: Taken, weight: int = 0, *, count: int = 1) -> None:
        """Hand on an item of ``weight`` bytes that counts as ``count``; Stopped when the flow stopped."""
        ...


class Channel(Generic[Item]):
    """A bounded queue between stages. Made by :meth:`Flow.channel`.

    Attributes:
        starved: seconds that threads have waited for an item.
        crowded: seconds that threads have waited for room.
    """

    def __init__(self, flow: "Flow", items: int, weight: int | None) -> None:
        self._flow = flow
        self._most_items, self._most_weight = items, weight
        self._queue: deque[tuple[Item, int, int]] = deque()
        self._items = self._weight = 0
        self.starved = self.crowded = 0.0
        self._closed = False
        self._lock = threading.Lock()
        self._more, self._room = threading.Condition(self._lock), threading.Condition(self._lock)

    def put(self, item: Item, weight: int = 0, seconds: float | None = None, count: int = 1) -> None:
        """Add an item, which counts as ``count``, waiting for room. One that is too large may come in alone.

        Raises:
            Stopped: the flow stopped.
            TimeoutError: there was no room within ``seconds``.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        with self._lock:
            while not self._flow.stopping and self._is_full(weight, count):
                self.crowded += self._wait(self._room, deadline)
            if self._flow.stopping:
                raise Stopped
            self._queue.append((item, weight, count))
            self._weight += weight
            self._items += count
            self._more.notify()
            self._room.notify()  # there may be room for another

    def get(self, seconds: float | None = None) -> Item:
        """The oldest item, waiting for one.

        Raises:
            Closed: the queue is empty, and stays so.
            Stopped: the flow stopped.
            TimeoutError: nothing came within ``seconds``.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        with self._lock:
            while not self._queue and not self._closed and not self._flow.stopping:
                self.starved += self._wait(self._more, deadline)
            if self._flow.stopping:
                raise Stopped
            if not self._queue:
                raise Closed
            item, weight, count = self._queue.popleft()
            self._weight -= weight
            self._items -= count
            self._room.notify()  # one alone: threads that wake together would only be in each other's way
            return item

    def close(self) -> None:
        """Nothing more will be put in."""
        with self._lock:
            self._closed = True
            self._more.notify_all()

    def rest(self) -> list[Item]:
        """What is still in the queue, when the flow has stopped; it is empty then."""
        with self._lock:
            items = [item for item, _, _ in self._queue]
            self._queue.clear()
            return items

    def wake(self) -> None:
        """Let every waiting thread look again."""
        with self._lock:
            self._more.notify_all()
            self._room.notify_all()

    def _wait(self, change: threading.Condition, deadline: float | None) -> float:
        begun = time.monotonic()
        left = None if deadline is None else deadline - begun
        if left is not None and left <= 0:
            raise TimeoutError
        with self._flow.waiting():
            change.wait(left)
        return time.monotonic() - begun

    def _is_full(self, weight: int, count: int) -> bool:
        if not self._queue:
            return False
        if self._items + count > self._most_items:
            return True
        return self._most_weight is not None and self._weight + weight > self._most_weight


class Call(Generic[Item]):
    """A stage without a thread: what is put in is done at once. Made by :meth:`Flow.call`."""

    def __init__(self, flow: "Flow", name: str, work: Callable[[Item], None]) -> None:
        self._flow, self._name, self._work = flow, name, work
        self.closed = False

    def put(self, item: Item, weight: int = 0, *, count: int = 1) -> None:  # noqa: ARG002 - the protocol's
        """Do what the stage does with it; Stopped when it is closed, or the flow stopped, or an error stops it now."""
        if self.closed or self._flow.stopping:
            raise Stopped
        with self._flow.timed(self._name):
            try:
                self._work(item)
            except Stopped:
                raise
            except BaseException as error:  # join raises it; it is not the calling stage's
                self._flow.stop(error)
                raise Stopped from error

    def close(self) -> None:
        """Nothing more is to be done."""
        self.closed = True


class Outlet(Generic[Item]):
    """Puts items into a channel in groups: passing a queue costs as much as all other work on a small image.

    A group is handed on when it holds ``items``, GROUP_BYTES or what came in GROUP_SECONDS, so that large items pass
    alone and a slow stage never keeps the next one waiting. For one thread.

    Args:
        put: hands on a group with its weight in bytes.
        items: how many make a group at most.
    """

    def __init__(self, put: Callable[[list[Item], int], None], items: int) -> None:
        self._put, self._most_items = put, items
        self._group: list[Item] = []
        self._weight = 0
        self._begun = time.monotonic()

    def add(self, item: Item, weight: int = 0) -> None:
        """Take an item."""
        self._group.append(item)
        self._weight += weight
        if (
            len(self._group) >= self._most_items
            or self._weight >= GROUP_BYTES
            or time.monotonic() > self._begun + GROUP_SECONDS
        ):
            self.flush()

    def flush(self) -> None:
        """Hand on what there is."""
        if self._group:
            group, weight, self._group, self._weight = self._group, self._weight, [], 0
            self._put(group, weight)
        self._begun = time.monotonic()


class Shared(Generic[Item]):
    """An iterator that several threads take from."""

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        with self._lock:
            return next(self._items)


class Flow:
    """The threads and queues of one run: the first error of any of them ends them all.

    Attributes:
        stopping: whether every stage is to leave.
        times: of each stage, by its name, up to when its threads last ended or called another stage.
    """

    def __init__(self) -> None:
        self.stopping = False
        self.times: dict[str, StageTime] = {}
        self._channels: list[Channel[object]] = []
        self._threads: dict[str, Threads] = {}
        self._adapted: list[tuple[str, Concurrency, Tally, Callable[[], float]]] = []
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        self._local = threading.local()

    def channel(self, items: int, weight: int | None = None) -> "Channel[Item]":
        """A queue of at most so many items, and of at most so much weight together."""
        channel: Channel[Item] = Channel(self, items, weight)
        self._channels.append(channel)  # type: ignore[arg-type]
        return channel

    def call(self, name: str, work: Callable[[Item], None]) -> Call[Item]:
        """A stage of this name that is done by the thread which puts something in."""
        self.times[name] = StageTime(threads=1)
        return Call(self, name, work)

    def start(self, name: str, threads: int, work: Callable[[], None], then: Callable[[], None]) -> None:
        """Start a stage.

        Args:
            name: of the stage.
            threads: how many run ``work``.
            work: runs until its input is Closed; leaves by returning, Closed or Stopped.
            then: called once when the last thread has left in good order; closes the next queue.
        """
        self.times[name] = StageTime(threads)

        def timed() -> None:
            with self.timed(name):
                work()

        self._spawn(name, threads, timed, then)

    def start_beside(self, name: str, work: Callable[[], None], then: Callable[[], None]) -> None:
        """Start a thread that ends with the stages and is none: nothing is said of its time. As :meth:`start`."""
        self._spawn(name, 1, work, then)

    def adapt(self, name: str, concurrency: Concurrency, brought: Tally, waited: Callable[[], float]) -> None:
        """Let :meth:`look` change the number of a stage's threads; its work is to ask :meth:`surplus`.

        Args:
            name: of the stage.
            concurrency: chooses the number.
            brought: what the stage has brought so far.
            waited: gives the seconds that other stages have waited for this one so far.
        """
        self._adapted.append((name, concurrency, brought, waited))

    def look(self) -> None:
        """Start threads where others wait for a stage that has too few, and tell those that are too many to leave."""
        for name, concurrency, brought, waited in self._adapted:
            threads = self._threads[name]
            threads.resize(concurrency.look(time.monotonic(), brought.items, brought.largest, waited()))
            self.times[name].threads = max(self.times[name].threads, threads.count)

    def surplus(self, name: str) -> bool:
        """Whether the calling thread of this stage is to leave, since the stage has too many."""
        return self._threads[name].surplus()

    def _spawn(self, name: str, count: int, work: Callable[[], None], then: Callable[[], None]) -> None:
        def body() -> None:
            with _end_of_input():
                work()

        def ended() -> None:
            if not self.stopping:
                then()

        self._threads[name] = Threads(name, body, ended, self.stop)
        self._threads[name].resize(count)

    def stop(self, error: BaseException | None = None) -> None:
        """Make every stage leave; the first error given is what :meth:`join` raises."""
        with self._lock:
            if self._error is None:
                self._error = error
            self.stopping = True
        for channel in self._channels:
            channel.wake()

    @property
    def running(self) -> bool:
        """Whether a thread of any stage is still there."""
        return any(thread.is_alive() for stage in self._threads.values() for thread in stage.all)

    def join(self, seconds: float | None = None) -> None:
        """Wait for all threads, at most so long; then raise the first error of any stage."""
        deadline = None if seconds is None else time.monotonic() + seconds
        for thread in [thread for stage in self._threads.values() for thread in stage.all]:
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        if self._error is not None:
            raise self._error

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Counts the calling thread's time, in which it waits or works, for this stage and no longer for another."""
        before = self._charge(name)
        try:
            yield
        finally:
            self._charge(before)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Counts what happens inside as waiting."""
        started = time.monotonic()
        try:
            yield
        finally:
            self._local.waited = getattr(self._local, "waited", 0.0) + time.monotonic() - started

    def _charge(self, name: str | None) -> str | None:
        """Count the calling thread's time since the last call for that stage, and what follows for another."""
        local, now, cpu = self._local, time.monotonic(), time.thread_time()
        before: str | None = getattr(local, "name", None)
        if before is not None:
            with self._lock:
                total = self.times.setdefault(before, StageTime(threads=1))
                total.wait_seconds += local.waited
                total.busy_seconds += now - local.since - local.waited
                total.cpu_seconds += cpu - local.cpu
        local.name, local.since, local.cpu, local.waited = name, now, cpu, 0.0
        return before


@contextmanager
def _end_of_input() -> Iterator[None]:
    try:
        yield
    except (Closed, Stopped):
        return
