"""What arrives is what was written: checked, of one version, in bounded memory; connections are given back."""

import gzip
import io
import threading
import tracemalloc

import pytest

from imaging_core.errors import ChangedError, DamagedError, MissingError, TooLargeError
from imaging_core.store import Store, open_source
from imaging_core.store.s3_client import CONNECTIONS, client
from imaging_core.store.s3_upload import PART_BYTES
from tests.http_relay import Fault, Relay
from tests.s3_server import BUCKET, S3Server

LARGE = bytes(range(256)) * 160_000


def put_by_others(store: Store, key: str, data: bytes, **metadata: str) -> None:
    """Upload an object as other programs do: without our checksum."""
    where = store.root.join(key)
    client().put_object(where.host, where.key, io.BytesIO(data), len(data), metadata=metadata, part_size=PART_BYTES)


def test_what_we_write_carries_its_sha256(s3: Store) -> None:
    for key, data in (("small", b"value"), ("empty", b""), ("large", LARGE)):
        s3.put(key, data)
        metadata = client().stat_object(BUCKET, s3.root.join(key).key).metadata
        assert metadata is not None
        assert len(metadata["x-amz-meta-sha256"]) == 64
        assert s3.get(key) == data


@pytest.mark.parametrize("key", ["ours", "others"])
def test_a_bit_that_changes_on_the_way_is_noticed_and_the_object_read_again(
    relayed: Store, relay: Relay, key: str
) -> None:
    data = LARGE[:3_000_000]
    relayed.put("ours", data)
    put_by_others(relayed, "others", data)
    relay.faults = [Fault("GET", key, flip=1_234_567)]
    assert relayed.get(key) == data
    relay.faults = [Fault("GET", key, flip=2_999_999)]
    with open_source(relayed.root.join(key)).path() as path:
        assert path.read_bytes() == data
    assert relay.faults == []


def test_an_object_that_never_fits_its_checksum_is_damaged(relayed: Store, relay: Relay) -> None:
    put_by_others(relayed, "k", b"other bytes", sha256="0" * 64)
    relay.requests.clear()
    with pytest.raises(DamagedError, match="damaged: its bytes do not fit their checksum; upload it again"):
        relayed.get("k")
    assert len(relay.requests) == 3


def test_a_multipart_upload_of_others_is_read_although_its_etag_is_no_md5(s3: Store) -> None:
    put_by_others(s3, "large", LARGE)
    assert "-" in str(client().stat_object(BUCKET, s3.root.join("large").key).etag)
    assert s3.get("large") == LARGE


def test_a_stored_encoding_is_left_as_it_is(s3: Store) -> None:
    packed = gzip.compress(b"a" * 100_000)
    put_by_others(s3, "k", packed, **{"Content-Encoding": "gzip"})
    assert s3.get("k") == packed
    with open_source(s3.root.join("k")).open() as file:
        assert file.read() == packed


@pytest.mark.parametrize("form", ["bytes", "path"])
def test_a_download_that_breaks_off_goes_on_where_it_was(relayed: Store, relay: Relay, form: str) -> None:
    relayed.put("k", LARGE)
    relay.requests.clear()
    relay.faults = [Fault("GET", cut=30_000_000), Fault("GET", cut=5_000_000), Fault("GET", cut=0)]
    source = open_source(relayed.root.join("k"))
    if form == "bytes":
        assert source.bytes() == LARGE
    else:
        with source.path() as path:
            assert path.read_bytes() == LARGE
    assert len(relay.requests) == 4


def test_an_object_that_is_replaced_while_it_is_read_comes_whole_in_its_new_version(
    relayed: Store, relay: Relay
) -> None:
    relayed.put("k", LARGE)
    new = LARGE[::-1]
    relay.faults = [Fault("GET", cut=30_000_000, then=lambda: relayed.put("k", new))]
    assert relayed.get("k") == new


def test_pieces_of_two_versions_are_never_given_as_one(s3: Store) -> None:
    s3.put("k", LARGE)
    with open_source(s3.root.join("k")).open() as file:
        assert file.read(10) == LARGE[:10]
        s3.put("k", LARGE[::-1])
        file.seek(20_000_000)
        with pytest.raises(ChangedError, match="was replaced while it was read"):
            file.read(10)


def test_an_object_that_vanishes_while_it_is_read_is_missing(relayed: Store, relay: Relay) -> None:
    relayed.put("k", LARGE)
    relay.faults = [Fault("GET", cut=1_000_000, then=lambda: relayed.delete("k"))]
    with pytest.raises(MissingError):
        relayed.get("k")


def test_empty_objects_are_read_in_every_form(s3: Store) -> None:
    s3.put("k", b"")
    source = open_source(s3.root.join("k"))
    assert source.size() == 0
    assert source.bytes() == b""
    with source.open() as file:
        assert file.read() == b""
    with source.path() as path:
        assert path.read_bytes() == b""


def test_a_file_of_ranges_asks_for_what_is_read_only(relayed: Store, relay: Relay) -> None:
    relayed.put("k", LARGE)
    relay.requests.clear()
    with open_source(relayed.root.join("k")).open() as file:
        assert file.read(512) == LARGE[:512]
        file.seek(0)
        assert file.read(1000) == LARGE[:1000]
        assert len(relay.requests) == 1
        file.seek(-5, 2)
        assert file.read() == LARGE[-5:]
        assert len(relay.requests) == 2


def test_what_is_longer_than_allowed_is_refused_in_every_form_and_holds_no_connection(s3: Store) -> None:
    s3.put("k", LARGE)
    source = open_source(s3.root.join("k"))
    for _ in range(CONNECTIONS // 3 + 1):
        with pytest.raises(TooLargeError, match="40960000 bytes, more than the 1000 allowed"):
            source.bytes(1000)
        with pytest.raises(TooLargeError):
            source.open(1000)
        with pytest.raises(TooLargeError), source.path(1000):
            pass
    assert source.size() == len(LARGE)


def test_more_threads_than_connections_share_them(s3: Store, server: S3Server) -> None:
    s3.put("k", LARGE[:300_000])
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(s3.get("k"))) for _ in range(2 * CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [LARGE[:300_000]] * len(threads)
    (pool,) = client()._http.pools._container.values()
    assert pool.pool.qsize() == CONNECTIONS


def test_a_large_object_is_in_memory_once_and_a_spooled_one_not_at_all(s3: Store) -> None:
    s3.put("k", LARGE)
    source = open_source(s3.root.join("k"))
    for read, most in ((source.bytes, 1.2 * len(LARGE)), (lambda: source.path().__enter__(), 3_000_000)):
        tracemalloc.start()
        kept = read()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < most
        del kept


def test_a_listing_that_breaks_off_goes_on_after_the_last_name(relayed: Store, relay: Relay) -> None:
    for number in range(1200):
        client().put_object(BUCKET, relayed.root.join(f"{number:04d}").key, io.BytesIO(b""), 0)
    relay.requests.clear()
    relay.faults = [Fault("GET", "continuation-token", answer=(503, "SlowDown"))]
    assert list(relayed.list()) == [f"{number:04d}" for number in range(1200)]
    assert len(relay.requests) == 3
