"""SIGTERM and Ctrl-C arrive between two steps of the work, never inside a lock."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(BaseException):
    """A signal arrived; leaving :func:`deferred_signals` hands it to the handler that was there before."""


class PendingSignal:
    """What has arrived. Made by :func:`deferred_signals`."""

    def __init__(self) -> None:
        self._arrived: tuple[int, FrameType | None] | None = None
        self._at = 0.0

    def check(self, after: float = 0.0) -> None:
        """Interrupted when a signal has arrived, at least ``after`` seconds ago."""
        if self._arrived is not None and time.monotonic() >= self._at + after:
            raise Interrupted

    def receive(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        if self._arrived is None:
            self._at = time.monotonic()
        self._arrived = (number, frame)

    @property
    def arrived(self) -> tuple[int, FrameType | None] | None:
        """Number and frame of the signal, or None."""
        return self._arrived


@contextmanager
def deferred_signals() -> Iterator[PendingSignal]:
    """Hold signals back while the block runs, then do what they would have done.

    Outside the main thread, where Python delivers none, nothing is changed.
    """
    pending = PendingSignal()
    if threading.current_thread() is not threading.main_thread():
        yield pending
        return
    before: dict[int, Any] = {
        number: handler for number in _SIGNALS if (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None)
    }
    for number in before:
        signal.signal(number, pending.receive)
    try:
        yield pending
    except Interrupted:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if pending.arrived is not None:
        number, frame = pending.arrived
        handler = before[number]
        if callable(handler):
            handler(number, frame)
        elif handler == signal.SIG_DFL:
            signal.raise_signal(number)
