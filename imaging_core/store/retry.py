"""What is tried again, for how long, and when a store counts as lost: the same for every remote store."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import tenacity

from imaging_core.errors import ChangedError, InferenceError, LostError, TemporaryError
from imaging_core.store.location import Location

GIVE_UP_SECONDS = 120
"""How long one object is asked for in vain: longer than a server's restart."""

LONGEST_PAUSE_SECONDS = 10
LOST_AFTER = 3
"""A store is lost when so many objects in a row were given up, and nothing came in between."""

TRY_AGAIN = "; try again"
_NOTHING_ELSE = ", and nothing else comes from there; when it is back, run the same again"

Result = TypeVar("Result")

_given_up: Counter[str] = Counter()
_lock = threading.Lock()


def retrying(location: Location, attempt: Callable[[], Result], progress: Callable[[], int] = lambda: 0) -> Result:
    """Call ``attempt`` until it succeeds, with growing, jittered pauses while it raises TemporaryError.

    Args:
        location: what it is about.
        attempt: makes one attempt.
        progress: a number that has grown when an attempt got on before it failed; patience then starts anew.

    Raises:
        LostError: still failing after GIVE_UP_SECONDS, and so are others of the same store.
        TemporaryError: still failing after GIVE_UP_SECONDS; the store gave something else not long ago.
        InferenceError: whatever else ``attempt`` raises, ChangedError among it, at once.
    """
    retries = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_may_pass),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=LONGEST_PAUSE_SECONDS),
        stop=_Patience(progress),
        reraise=True,
    )
    try:
        result = retries(attempt)
    except InferenceError as error:
        if not _may_pass(error):
            answered(location.store)
        elif _is_lost(location.store):
            raise LostError(f"{str(error).removesuffix(TRY_AGAIN)}{_NOTHING_ELSE}") from error
        raise
    answered(location.store)
    return result


class _Patience:
    """Ends when nothing got on for GIVE_UP_SECONDS."""

    def __init__(self, progress: Callable[[], int]) -> None:
        self._progress = progress
        self._seen, self._since = progress(), time.monotonic()

    def __call__(self, _state: tenacity.RetryCallState) -> bool:
        now, seen = time.monotonic(), self._progress()
        if seen > self._seen:
            self._seen, self._since = seen, now
        return now - self._since > GIVE_UP_SECONDS


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, TemporaryError) and not isinstance(error, ChangedError)


def _is_lost(store: str) -> bool:
    with _lock:
        _given_up[store] += 1
        return _given_up[store] >= LOST_AFTER


def answered(store: str) -> None:
    """The store gave something, or said why not: it is not lost."""
    with _lock:
        _given_up.pop(store, None)
