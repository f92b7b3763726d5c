"""The threads of one stage, as many as are wanted at the time; the last that leaves ends the stage."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

STACK_BYTES = 2 * 1024 * 1024
"""Of threads that join a stage later. A usual stack takes four times as much of what a container may have."""

_starting = threading.Lock()


class Threads:
    """Starts and counts them.

    Args:
        name: of the stage.
        work: what each does; leaves by returning, when nothing is left or :meth:`surplus` says so.
        ended: called by the last thread when it has left in good order.
        failed: told of the error that ended a thread.

    Attributes:
        all: every thread that was started and may still be there.
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
        self._there = self._wanted = self._begun = 0
        self._surplus: set[int] = set()
        self._over = False

    @property
    def count(self) -> int:
        """How many there are."""
        return self._there

    def resize(self, count: int) -> None:
        """From now on so many threads are wanted, at least one: start what is missing, unless the stage has ended.

        Raises:
            RuntimeError, MemoryError: there is no room for one of the first. Of others there are fewer then.
        """
        with self._lock:
            if self._over:
                return
            self._wanted = count
            missing = max(0, count - (self._there - len(self._surplus)))
            first = self._begun == 0
            self.all = [thread for thread in self.all if thread.is_alive()]
        if first:
            for _ in range(missing):
                self._start()
        elif missing:
            with suppress(RuntimeError, MemoryError), small_stacks():  # no room, or no more processes
                for _ in range(missing):
                    self._start()

    def _start(self) -> None:
        with self._lock:
            if self._over:
                return
            self._there += 1
            self._begun += 1
            thread = threading.Thread(target=self._body, name=f"{self._name}-{self._begun}", daemon=True)
        try:
            thread.start()
        except (RuntimeError, MemoryError):
            self._leave()
            raise
        with self._lock:
            self.all.append(thread)

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
            self._leave()
        except BaseException as error:  # join raises it in the thread that waits
            self._failed(error)

    def _leave(self) -> None:
        with self._lock:
            self._there -= 1
            self._surplus.discard(threading.get_ident())
            last = self._over = self._there == 0
        if last:
            self._ended()


@contextmanager
def small_stacks() -> Iterator[None]:
    """Threads that are started inside get small stacks."""
    with _starting:
        before = threading.stack_size(STACK_BYTES)
        try:
            yield
        finally:
            threading.stack_size(before)
