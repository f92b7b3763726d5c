"""The S3 store against a real MinIO server, with real faults between them."""

import subprocess
import sys
import threading
import time

import pytest

from imaging_core.errors import ConfigurationError, MissingError, TemporaryError
from imaging_core.store import Location, Store, open_source, open_store, retry, sizes
from imaging_core.store.s3_client import client
from tests.http_relay import Relay
from tests.s3_server import BUCKET, S3Server, Toxiproxy

AWKWARD = [
    "plain.png",
    "with space.png",
    "ünïcode-日本.png",
    "a+b.png",
    "100%.png",
    "#1.png",
    "a&b=c?.png",
    "%2F.png",
    "deep/er/x.png",
]
LARGE = bytes(range(256)) * 160_000


@pytest.mark.parametrize("key", AWKWARD)
def test_what_is_put_is_got_back_whatever_its_key(s3: Store, key: str) -> None:
    s3.put(key, key.encode())
    assert s3.get(key) == key.encode()
    assert list(s3.list()) == [key]
    assert open_source(s3.root.join(key)).size() == len(key.encode())
    s3.delete(key)
    assert not s3.exists(key)


def test_keys_are_listed_sorted_and_below_a_folder_only(s3: Store) -> None:
    for key in ("b/2", "b/1", "a", "bb/3"):
        s3.put(key, b"x")
    assert list(s3.list()) == ["a", "b/1", "b/2", "bb/3"]
    assert list(s3.list("b/")) == ["b/1", "b/2"]


def test_entries_have_sizes_and_times_and_folders_are_one_level(s3: Store) -> None:
    for key in ("b/c/2", "b/1", "a", "bb/3"):
        s3.put(key, key.encode())
    entries = list(s3.entries())
    assert [(entry.key, entry.size) for entry in entries] == [("a", 1), ("b/1", 3), ("b/c/2", 5), ("bb/3", 4)]
    assert all(abs(entry.modified.timestamp() - time.time()) < 300 for entry in entries)
    assert list(s3.folders()) == ["b", "bb"]


def test_many_objects_are_removed_with_few_requests(relayed: Store, relay: Relay) -> None:
    keys = [*AWKWARD, *(f"absent/{number:04d}" for number in range(1200))]
    for key in ["kept", *AWKWARD]:
        relayed.put(key, b"")
    relay.requests.clear()
    relay.busy(1)
    relayed.delete_all(keys)
    assert [method for method, _ in relay.requests] == ["POST"] * 3  # one of them again
    assert list(relayed.list()) == ["kept"]


def test_a_refused_removal_says_so(s3: Store, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.put("kept", b"")
    server.add_user("reader", "reader-secret", [f"arn:aws:s3:::{BUCKET}/*"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "reader")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "reader-secret")
    client.cache_clear()
    with pytest.raises(ConfigurationError, match="access denied"):
        s3.delete_all(["kept"])


def test_a_large_object_is_read_whole_in_ranges_and_as_a_file(s3: Store) -> None:
    s3.put("large", LARGE)
    source = open_source(s3.root.join("large"))
    assert source.bytes() == LARGE
    with source.open() as file:
        file.seek(-1000, 2)
        assert file.read() == LARGE[-1000:]
        file.seek(20_000_001)
        assert file.read(77) == LARGE[20_000_001:20_000_078]
    with source.path() as path:
        assert path.read_bytes() == LARGE
    assert not path.exists()


def test_sizes_need_one_listing_a_folder_and_leave_out_what_is_not_there(s3: Store) -> None:
    s3.put("images/1.png", b"123")
    s3.put("images/2.png", b"12345")
    there = [s3.root.join("images", name) for name in ("1.png", "2.png", "3.png")]
    assert sizes(there) == {there[0]: 3, there[1]: 5}


def test_nothing_there_is_missing_and_says_where(s3: Store) -> None:
    with pytest.raises(MissingError, match=f"s3://{BUCKET}/.*/nope.png: no such object"):
        s3.get("nope.png")
    assert not s3.exists("nope.png")
    s3.delete("nope.png")


def test_a_bucket_that_does_not_exist_is_configuration(s3: Store) -> None:
    with pytest.raises(ConfigurationError, match="there is no bucket 'no-such-bucket'"):
        open_store(Location.parse("s3://no-such-bucket/x")).get("k")


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"])
def test_wrong_credentials_are_refused_at_once_and_never_shown(
    s3: Store, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "a-wrong-value")
    client.cache_clear()
    with pytest.raises(ConfigurationError, match="refuses the credentials") as refused:
        s3.get("k")
    assert "a-wrong-value" not in str(refused.value)


@pytest.mark.parametrize("endpoint", ["localhost:9000", "ftp://x", "http://host/base/path", "http://user:secret@host"])
def test_an_endpoint_that_is_no_server_is_configuration(
    monkeypatch: pytest.MonkeyPatch, s3: Store, endpoint: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    client.cache_clear()
    with pytest.raises(ConfigurationError, match="AWS_ENDPOINT_URL_S3"):
        s3.get("k")


def test_credentials_come_from_a_profile_as_well(
    s3: Store, server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    s3.put("k", b"v")
    file = tmp_path_factory.mktemp("aws") / "credentials"
    file.write_text(f"[hospital]\naws_access_key_id={server.access_key}\naws_secret_access_key={server.secret_key}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    client.cache_clear()
    with pytest.raises(ConfigurationError, match="no S3 credentials: set AWS_ACCESS_KEY_ID"):
        s3.get("k")
    monkeypatch.setenv("AWS_PROFILE", "hospital")
    client.cache_clear()
    assert s3.get("k") == b"v"


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("latency", {"latency": 300, "jitter": 200}),
        ("limit_data", {"bytes": 3_000_000}),  # the connection closes in the middle of the body
        ("reset_peer", {"timeout": 20}),  # a TCP reset in the middle of the body
        ("slicer", {"average_size": 5000, "size_variation": 4000, "delay": 100}),
    ],
)
@pytest.mark.parametrize("stream", ["downstream", "upstream"])
def test_faults_on_the_line_lose_and_change_nothing(
    faulty: Store, proxy: Toxiproxy, kind: str, attributes: dict[str, int], stream: str
) -> None:
    proxy.add(kind, stream, **attributes)
    threading.Timer(1.0, lambda: proxy.remove(kind)).start()
    faulty.put("large", LARGE)
    assert faulty.get("large") == LARGE


def test_an_outage_is_waited_for(faulty: Store, proxy: Toxiproxy) -> None:
    faulty.put("k", b"v")
    proxy.enable(False)
    threading.Timer(4.0, lambda: proxy.enable(True)).start()
    assert faulty.get("k") == b"v"


def test_an_outage_without_end_is_temporary(faulty: Store, proxy: Toxiproxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "GIVE_UP_SECONDS", 2)
    proxy.enable(False)
    with pytest.raises(TemporaryError, match="does not answer as it should"):
        faulty.get("k")
    proxy.enable(True)


def test_an_interrupted_upload_leaves_nothing_half_written(
    faulty: Store, proxy: Toxiproxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "GIVE_UP_SECONDS", 2)
    proxy.add("limit_data", "upstream", bytes=1_000_000)
    with pytest.raises(TemporaryError):
        faulty.put("large", LARGE)
    proxy.remove("limit_data")
    assert not faulty.exists("large")


WRITER = """
import sys
from imaging_core.store import Location, open_store
print("begins", flush=True)
open_store(Location.parse(sys.argv[1])).put("large", bytes(range(256)) * 160_000)
"""


def test_a_killed_writer_leaves_no_object(faulty: Store, proxy: Toxiproxy) -> None:
    proxy.add("bandwidth", "upstream", rate=4000)  # kB/s: ten seconds
    with subprocess.Popen([sys.executable, "-c", WRITER, str(faulty.root)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(3)
        process.kill()
    proxy.remove("bandwidth")
    assert list(faulty.list()) == []
