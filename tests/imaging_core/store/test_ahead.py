"""Reading ahead: the same bytes and the same errors as without, in the order asked for, and never too far ahead."""

import threading

import pytest

from imaging_core.errors import MissingError
from imaging_core.store import Ahead, Location, open_store
from imaging_core.store.ahead import AHEAD
from imaging_core.store.local import LocalStore

KEYS = [f"{number:03}" for number in range(200)]


class Counting(LocalStore):
    """Counts what was fetched."""

    def __init__(self, root: Location) -> None:
        super().__init__(root)
        self.fetched: list[str] = []
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes:
        with self._lock:
            self.fetched.append(key)
        return super().get(key)


@pytest.fixture
def store(tmp_path):
    store = open_store(Location.parse(str(tmp_path)))
    for key in KEYS:
        store.put(key, key.encode())
    return Counting(store.root)


def test_every_object_is_fetched_once_and_comes_in_the_order_asked_for(store):
    with Ahead(store, KEYS) as ahead:
        assert [ahead.get(key) for key in KEYS] == [key.encode() for key in KEYS]
        assert ahead.root == store.root
    assert sorted(store.fetched) == KEYS


def test_other_objects_come_from_the_store(store):
    with Ahead(store, KEYS[:3]) as ahead:
        assert [ahead.get(key) for key in reversed(KEYS[:6])] == [key.encode() for key in reversed(KEYS[:6])]


def test_what_is_missing_is_said_when_it_is_asked_for_and_the_others_still_come(store):
    store.delete("001")
    with Ahead(store, KEYS) as ahead:
        assert ahead.get("000") == b"000"
        with pytest.raises(MissingError):
            ahead.get("001")
        assert ahead.get("002") == b"002"


def test_no_more_is_fetched_than_a_few_ahead(store):
    with Ahead(store, KEYS) as ahead:
        for number, key in enumerate(KEYS[:20], start=1):
            ahead.get(key)
            assert len(store.fetched) <= number + AHEAD
