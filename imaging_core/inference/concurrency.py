"""How many threads of a stage wait for the store at once: more as long as that brings more.

A store far away answers each request after tens of milliseconds, whatever the bandwidth: a thread that waits for it
writes thirty masks a second, and a GPU makes hundreds. One beside answers at once, and more threads would only be in
each other's way. So the number is found out by trying, as congestion control does.
"""

import threading

SECONDS = 0.5
"""A number of threads is tried so long at least, and until each has brought something twice."""

IN_FLIGHT_BYTES = 64 * 1024 * 1024
"""More threads than at first there are only while so much suffices for each to hold an item like the largest so far."""

_GAIN = 1.4
_WAITED = 0.1
_REST_SECONDS = 5.0


class Tally:
    """Counts items, and knows the largest, for every thread.

    Attributes:
        items: so far.
        largest: of these, in bytes.
    """

    def __init__(self) -> None:
        self.items = self.largest = 0
        self._lock = threading.Lock()

    def add(self, weight: int) -> None:
        """One more, of so many bytes."""
        with self._lock:
            self.items += 1
            self.largest = max(self.largest, weight)


class Concurrency:
    """Chooses a stage's number of threads by what it brings: doubled while others wait for it, and back if in vain.

    Args:
        first: threads that it begins with, and never has fewer.
        most: threads.

    Attributes:
        threads: how many there should be.
    """

    def __init__(self, first: int, most: int) -> None:
        self._first, self._most = first, max(first, most)
        self.threads = first
        self._since: float | None = None
        self._rest_until = float("-inf")
        self._brought, self._waited = 0, 0.0
        self._former: tuple[int, float] | None = None

    def look(self, now: float, brought: int, largest: int, waited: float) -> int:
        """How many threads there should be from now on.

        Args:
            now: seconds of a monotonic clock.
            brought: items that have passed the stage since the beginning.
            largest: of these, in bytes.
            waited: seconds that other stages have waited for this one since the beginning.
        """
        if self._since is None:
            self._since, self._brought, self._waited = now, brought, waited
        room = max(self._first, min(self._most, IN_FLIGHT_BYTES // max(1, largest)))
        if self.threads > room:
            self.threads, self._former = room, None
        seconds, items = now - self._since, brought - self._brought
        if seconds < SECONDS or items < 2 * self.threads:
            return self.threads
        rate, wanted = items / seconds, waited - self._waited > _WAITED * seconds
        self._since, self._brought, self._waited = now, brought, waited

        former, self._former = self._former, None
        if former is not None and rate < _GAIN * former[1]:
            self.threads, self._rest_until = former[0], now + _REST_SECONDS
        elif wanted and now >= self._rest_until and 2 * self.threads <= room:
            self._former = self.threads, rate
            self.threads *= 2
        return self.threads
