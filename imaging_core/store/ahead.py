"""Reading many objects one after the other without waiting for each: the next ones are fetched meanwhile."""

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from types import TracebackType
from typing import Self

from imaging_core.store.base import Reader
from imaging_core.store.location import Location

THREADS = 8
AHEAD = 32
"""Objects that are fetched, or under way, before they are asked for."""


class Ahead:
    """A store's objects, fetched in the order in which they will be asked for; others come from the store itself.

    Args:
        store: where they lie; safe to call from several threads.
        keys: of the objects, each once.
    """

    def __init__(self, store: Reader, keys: Iterable[str]) -> None:
        self._store = store
        self._keys = iter(keys)
        self._pool = ThreadPoolExecutor(THREADS)
        self._fetched: dict[str, Future[bytes]] = {}
        self._fetch(AHEAD)

    @property
    def root(self) -> Location:
        """The store's prefix."""
        return self._store.root

    def get(self, key: str) -> bytes:
        """The object's bytes; raises what the store's own ``get`` raises."""
        future = self._fetched.pop(key, None)
        if future is None:
            return self._store.get(key)
        self._fetch(1)
        return future.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=error is None, cancel_futures=True)

    def _fetch(self, count: int) -> None:
        for key in islice(self._keys, count):
            self._fetched[key] = self._pool.submit(self._store.get, key)
