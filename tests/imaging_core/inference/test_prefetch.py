"""Files in a bucket are asked for many at once and ahead of their use; what does not come is fetched alone."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.registry import DECODERS
from imaging_core.inference import prefetch
from imaging_core.inference.prefetch import GROUP, GROUP_BYTES, prefetched
from imaging_core.inference.task import Task, Truth, fetched
from imaging_core.store import AT_ONCE, Location, Store, open_source, open_store
from imaging_core.store.local import LocalSource
from imaging_core.store.memory import MemorySource
from imaging_core.store.s3 import S3Source
from imaging_core.store.s3_client import client
from tests.http_relay import Fault, Relay, running_relay
from tests.s3_server import BUCKET, S3Server, running_server

Given = TypeVar("Given")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_server(tmp_path_factory.mktemp("minio")) as server:
        yield server


@pytest.fixture
def relay(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    with running_relay(f"127.0.0.1:{server.port}") as relay:
        for name, value in server.environment(relay.endpoint).items():
            monkeypatch.setenv(name, value)
        client.cache_clear()
        yield relay
    client.cache_clear()


@pytest.fixture
def store(relay: Relay, request: pytest.FixtureRequest) -> Store:
    return open_store(Location.parse(f"s3://{BUCKET}/{request.node.name}"))


def written(store: Store, count: int, size: int) -> dict[str, bytes]:
    objects = {f"image {number:03}.png": os.urandom(size) for number in range(count)}
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(store.put, objects, objects.values()))
    return objects


def tasks_of(store: Store, keys: Sequence[str], masks: Sequence[str | None] | None = None) -> list[Task]:
    sources = [open_source(store.root.join(key)) for key in keys]
    truths = [Truth(mask and open_source(store.root.join(mask))) for mask in masks or [None] * len(keys)]
    return [
        Task(number, str(number), (source,), truth)
        for number, (source, truth) in enumerate(zip(sources, truths, strict=True))
    ]


def apart(work: Callable[[], Given]) -> Given:
    """As threads of the pipeline do; the main thread waits, open to signals."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def all_of(tasks: Sequence[Task], limits: Limits = Limits()) -> list[Task]:  # noqa: B008 - frozen
    return apart(lambda: list(prefetched(tasks, limits, DECODERS)))


def in_memory(tasks: Sequence[Task]) -> list[bool]:
    return [isinstance(task.images[0], MemorySource) for task in tasks]


@pytest.mark.parametrize("count", [0, 1, 2, 3, GROUP, GROUP + 2, 5 * GROUP + 3])
def test_all_come_in_their_order_each_with_one_request(store: Store, relay: Relay, count: int) -> None:
    objects = written(store, count, 500)
    relay.requests.clear()
    ready = all_of(tasks_of(store, list(objects)))
    assert [each.position for each in ready] == list(range(count))
    assert in_memory(ready) == [True] * count
    assert [each.images[0].bytes() for each in ready] == list(objects.values())
    assert len(relay.requests) == count


def test_many_small_ones_are_asked_for_at_once_and_never_more_than_there_are_connections(
    store: Store, relay: Relay
) -> None:
    objects = written(store, 8 * GROUP, 500)
    relay.most_at_once = 0
    all_of(tasks_of(store, list(objects)))
    assert 4 < relay.most_at_once <= AT_ONCE


def test_large_ones_come_one_by_one(store: Store, relay: Relay) -> None:
    objects = written(store, 4, GROUP_BYTES // 2 + 1)
    relay.most_at_once = 0
    assert in_memory(all_of(tasks_of(store, list(objects)))) == [True] * 4
    assert relay.most_at_once == 1


def test_masks_come_with_their_images(store: Store, relay: Relay) -> None:
    objects = list(written(store, 40, 300))
    images, masks = objects[:20], objects[20:]
    ready = all_of(tasks_of(store, images, masks))
    kinds = {(type(each.images[0]), type(each.truth.mask)) for each in ready}
    assert kinds == {(MemorySource, MemorySource)}


def test_what_is_missing_too_long_or_empty_is_that_case_s_failure_alone(store: Store) -> None:
    objects = written(store, 3 * GROUP, 500)
    keys = list(objects)
    store.delete(keys[20])
    store.put(keys[21], os.urandom(900))
    store.put(keys[22], b"")
    limits = Limits(encoded_bytes=800)
    ready = all_of(tasks_of(store, keys), limits)
    assert [number for number, there in enumerate(in_memory(ready)) if not there] == [20, 21]

    def kind_of(task: Task) -> str | None:
        try:
            fetched(task, limits, DECODERS)
        except CaseError as error:
            return error.kind
        return None

    kinds = apart(lambda: [kind_of(task) for task in ready])
    assert {number: kind for number, kind in enumerate(kinds) if kind} == {
        20: "missing",
        21: "too_large",
        22: "unreadable",
    }


@pytest.mark.parametrize(
    "fault",
    [Fault("GET", cut=100), Fault("GET", lose=True), Fault("GET", flip=50), Fault("GET", answer=(503, "SlowDown"))],
    ids=["cut", "lost", "flipped", "busy"],
)
def test_what_fails_on_the_way_is_left_and_so_is_what_follows_for_a_while(
    store: Store, relay: Relay, fault: Fault
) -> None:
    objects = written(store, 6 * GROUP, 500)
    fault.path = "image%20020"
    relay.faults = [fault]
    ready = all_of(tasks_of(store, list(objects)))
    there = in_memory(ready)
    assert not there[20]
    assert sum(there[:20]) == 20
    assert not any(there[4 * GROUP :])
    found = apart(lambda: [fetched(each, Limits(), DECODERS).images[0].bytes() for each in ready])
    assert found == list(objects.values())


def test_what_lies_elsewhere_is_passed_on_as_it_is(store: Store, tmp_path: Path) -> None:
    objects = written(store, 20, 500)
    (tmp_path / "local.png").write_bytes(b"local")
    remote = tasks_of(store, list(objects))
    local = Task(20, "20", (open_source(Location.parse(str(tmp_path / "local.png"))),), Truth())
    slide = Task(22, "22", (open_source(store.root.join("slide.svs")),), Truth())
    ready = all_of([local, *remote[:10], local, *remote[10:], slide, local])
    assert ready[0] == ready[-1] == local
    assert ready[11] == local
    assert sum(in_memory(ready)) == 20
    assert isinstance(ready[-2].images[0], S3Source)
    assert isinstance(local.images[0], LocalSource)


def test_where_memory_runs_out_they_are_fetched_one_by_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def waiting(*_: object) -> Callable[[], list[bytes | None]]:
        def wait() -> list[bytes | None]:
            raise MemoryError

        return wait

    tasks = tasks_of(store, list(written(store, 5, 500)))
    monkeypatch.setattr(prefetch, "read_together", waiting)
    assert all_of(tasks) == tasks


def test_the_main_thread_asks_for_nothing(store: Store, relay: Relay) -> None:
    tasks = tasks_of(store, list(written(store, 5, 500)))
    relay.requests.clear()
    assert in_memory(list(prefetched(tasks, Limits(), DECODERS))) == [False] * 5
    assert relay.requests == []
