"""The threads of one stage, as many as are wanted at the time; the last that leaves ends the stage."""

import threading
from collections.abc import Callable

STACK_BYTES = 2 * 1024 * 1024
"""Of threads that join a stage later. A usual stack takes four times as much of what a container may have."""


class Threads:
    """Starts and counts them.

    Args:
        name: of the stage.
        work: what each does; leaves by returning, when nothing is left or :meth:`surplus` says so.
        ended: called by the last thread when it has left in good order.
        failed: told of the error that ended a thread.

    Attributes:
        all: every thread that was started.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], None],
        ended: Callable[[], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._name, self._work, self._ended, self._failed = name, work, ended, failed
        self.all: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._there = self._wanted = 0
        self._surplus: set[int] = set()
        self._over = False

    def resize(self, count: int) -> None:
        """From now on so many threads are wanted, at least one: start what is missing, unless the stage has ended.

        Raises:
            RuntimeError: there is no room for the first one. Of others there are fewer then.
        """
        with self._lock:
            if self._over:
                return
            self._wanted = count
            missing = max(0, count - (self._there - len(self._surplus)))
        first = not self.all
        before = threading.stack_size(0 if first else STACK_BYTES)
        try:
            for _ in range(missing):
                self._start()
        except RuntimeError:  # no memory for its stack, or no more processes
            if first:
                raise
        finally:
            threading.stack_size(before)

    def _start(self) -> None:
        with self._lock:
            if self._over:
                return
            thread = threading.Thread(target=self._body, name=f"{self._name}-{len(self.all)}", daemon=True)
            thread.start()
            self.all.append(thread)
            self._there += 1

    def surplus(self) -> bool:
        """Whether the calling thread, one of these, is to leave since fewer are wanted."""
        with self._lock:
            if self._there - len(self._surplus) <= self._wanted:
                return False
            self._surplus.add(threading.get_ident())
            return True

    def _body(self) -> None:
        try:
            self._work()
            with self._lock:
                self._there -= 1
                self._surplus.discard(threading.get_ident())
                last = self._over = self._there == 0
            if last:
                self._ended()
        except BaseException as error:  # join raises it in the thread that waits
            self._failed(error)
