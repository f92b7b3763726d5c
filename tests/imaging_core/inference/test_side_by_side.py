"""Files of one case come side by side: in their order, never too many at once, with the error of the first bad one."""

import threading
from pathlib import Path

import pytest

from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.registry import DECODERS
from imaging_core.inference.side_by_side import AT_ONCE, side_by_side
from imaging_core.inference.task import Task, Truth, fetched
from imaging_core.store import Location, open_source, open_store
from imaging_core.store.s3_client import client
from tests.http_relay import running_relay
from tests.s3_server import BUCKET, running_server, running_toxiproxy


def test_the_order_is_that_of_the_items() -> None:
    assert side_by_side(range(100), lambda number: number**2) == [number**2 for number in range(100)]
    assert side_by_side([], str) == []


def test_so_many_at_once_and_no_more() -> None:
    gate = threading.Barrier(3)
    lock, under_way, most = threading.Lock(), [], []

    def work(number: int) -> None:
        with lock:
            under_way.append(number)
            most.append(len(under_way))
        gate.wait(60)  # opens when three are here together
        with lock:
            under_way.remove(number)

    side_by_side(range(12), work, threads=3)
    assert max(most) == 3


def test_the_first_bad_item_is_told_and_nothing_is_begun_after_it() -> None:
    begun, later_failed = [], threading.Event()

    def work(number: int) -> None:
        begun.append(number)
        if number == 1:
            later_failed.wait(60)
        if number in (1, 2):
            later_failed.set()
            raise ValueError(number)

    with pytest.raises(ValueError, match="1"):
        side_by_side(range(1000), work, threads=4)
    assert len(begun) < 1000


def test_a_series_from_s3_does_not_wait_for_each_slice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        running_server(tmp_path) as server,
        running_toxiproxy(server.port) as line,
        running_relay(line.endpoint.removeprefix("http://")) as relay,
    ):
        for name, value in server.environment(relay.endpoint).items():
            monkeypatch.setenv(name, value)
        client.cache_clear()
        store = open_store(Location.parse(f"s3://{BUCKET}/series"))
        keys = [f"{number:03d}.dcm" for number in range(40)]
        for key in keys:
            store.put(key, key.encode() * 99)
        line.add("latency", latency=300)
        task = Task(0, "0", tuple(open_source(store.root.join(key)) for key in keys), Truth())
        relay.most_at_once = 0
        images = fetched(task, Limits(), DECODERS).images
        assert [source.bytes(1000) for source in images] == [key.encode() * 99 for key in keys]
        assert AT_ONCE // 2 <= relay.most_at_once <= AT_ONCE

        store.delete("007.dcm")
        with pytest.raises(CaseError, match="the image is not there"):
            fetched(task, Limits(), DECODERS)
    client.cache_clear()
