"""Stages: groups of threads joined by bounded queues, which stop together and say how long they worked and waited."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Closed(Exception):  # noqa: N818 - the end of a queue is no error
    """No item is left, and none will come."""


class Stopped(Exception):  # noqa: N818
    """Another stage failed, or the run was asked to end: leave."""


@dataclass(slots=True)
class StageTime:
    """Seconds, added up over the threads of a stage."""

    busy_seconds: float = 0.0
    wait_seconds: float = 0.0


class Channel(Generic[Item]):
    """A bounded queue between stages. Made by :meth:`Flow.channel`."""

    def __init__(self, flow: "Flow", items: int, weight: int | None) -> None:
        self._flow = flow
        self._most_items, self._most_weight = items, weight
        self._queue: deque[tuple[Item, int]] = deque()
        self._weight = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: Item, weight: int = 0, seconds: float | None = None) -> None:
        """Add an item, waiting for room. One that is heavier than the whole queue may come in alone.

        Raises:
            Stopped: the flow stopped.
            TimeoutError: there was no room within ``seconds``.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        with self._changed:
            while not self._flow.stopping and self._is_full(weight):
                self._wait(deadline)
            if self._flow.stopping:
                raise Stopped
            self._queue.append((item, weight))
            self._weight += weight
            self._changed.notify_all()

    def get(self, seconds: float | None = None) -> Item:
        """The oldest item, waiting for one.

        Raises:
            Closed: the queue is empty, and stays so.
            Stopped: the flow stopped.
            TimeoutError: nothing came within ``seconds``.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        with self._changed:
            while not self._queue and not self._closed and not self._flow.stopping:
                self._wait(deadline)
            if self._flow.stopping:
                raise Stopped
            if not self._queue:
                raise Closed
            item, weight = self._queue.popleft()
            self._weight -= weight
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Nothing more will be put in."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wake(self) -> None:
        """Let every waiting thread look again."""
        with self._changed:
            self._changed.notify_all()

    def _wait(self, deadline: float | None) -> None:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        with self._flow.waiting():
            self._changed.wait(left)

    def _is_full(self, weight: int) -> bool:
        if len(self._queue) >= self._most_items:
            return True
        return bool(self._queue) and self._most_weight is not None and self._weight + weight > self._most_weight


class Flow:
    """The threads and queues of one run: the first error of any of them ends them all.

    Attributes:
        stopping: whether every stage is to leave.
        times: of each stage that has ended, by its name.
    """

    def __init__(self) -> None:
        self.stopping = False
        self.times: dict[str, StageTime] = {}
        self._channels: list[Channel[object]] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        self._local = threading.local()

    def channel(self, items: int, weight: int | None = None) -> "Channel[Item]":
        """A queue of at most so many items, and of at most so much weight together."""
        channel: Channel[Item] = Channel(self, items, weight)
        self._channels.append(channel)  # type: ignore[arg-type]
        return channel

    def start(self, name: str, threads: int, work: Callable[[], None], then: Callable[[], None]) -> None:
        """Start a stage.

        Args:
            name: of the stage.
            threads: how many run ``work``.
            work: runs until its input is Closed; leaves by returning, Closed or Stopped.
            then: called once when the last thread has left in good order; closes the next queue.
        """
        left = [threads]

        def body() -> None:
            try:
                with self.timed(name), _end_of_input():
                    work()
                with self._lock:
                    left[0] -= 1
                    last = left[0] == 0
                if last and not self.stopping:
                    then()
            except BaseException as error:  # join raises it in the thread that waits
                self.stop(error)

        for number in range(threads):
            thread = threading.Thread(target=body, name=f"{name}-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

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
        return any(thread.is_alive() for thread in self._threads)

    def join(self, seconds: float | None = None) -> None:
        """Wait for all threads, at most so long; then raise the first error of any stage."""
        deadline = None if seconds is None else time.monotonic() + seconds
        for thread in self._threads:
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        if self._error is not None:
            raise self._error

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Counts the calling thread's time, in which it waits or works, for a stage."""
        started = time.monotonic()
        self._local.waited = 0.0
        try:
            yield
        finally:
            waited = self._local.waited
            with self._lock:
                total = self.times.setdefault(name, StageTime())
                total.wait_seconds += waited
                total.busy_seconds += time.monotonic() - started - waited

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Counts what happens inside as waiting."""
        started = time.monotonic()
        try:
            yield
        finally:
            self._local.waited = getattr(self._local, "waited", 0.0) + time.monotonic() - started


@contextmanager
def _end_of_input() -> Iterator[None]:
    try:
        yield
    except (Closed, Stopped):
        return
