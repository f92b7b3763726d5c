"""Small objects that threads read come by libcurl, exactly as they come by the other client, which mends what fails."""

import io
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imaging_core.errors import ConfigurationError, DamagedError, MissingError, TooLargeError
from imaging_core.store import Location, Store, open_source, open_store
from imaging_core.store.s3_client import client
from imaging_core.store.s3_small import LARGEST
from tests.http_relay import Fault, Relay
from tests.s3_server import BUCKET, S3Server, Toxiproxy, make_public

AWKWARD = "with space/ünïcode-日本 a+b 100% %2F #1 a&b=c?;,:@$!'()*~[]{}|^`\"<>\\ .png"


def apart(read: Callable[[], bytes]) -> bytes:
    """As threads of the pipeline read; the main thread waits, open to signals."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(read).result()


def clients(relay: Relay) -> list[str]:
    """Which client sent each request since the last call."""
    agents = [agent.partition(" ")[0].partition("/")[0] for agent in relay.agents]
    relay.agents.clear()
    return agents


def test_a_small_object_takes_one_request_by_libcurl_whatever_its_key(relayed: Store, relay: Relay) -> None:
    for data in (b"value", b""):
        relayed.put(AWKWARD, data)
        clients(relay)
        assert apart(lambda: relayed.get(AWKWARD)) == data
        assert clients(relay) == ["PycURL"]


def test_the_main_thread_and_large_objects_have_the_other_client(relayed: Store, relay: Relay) -> None:
    relayed.put("small", b"value")
    relayed.put("large", b"x" * (LARGEST + 1))
    clients(relay)
    assert relayed.get("small") == b"value"
    assert clients(relay) == ["MinIO"]
    assert apart(lambda: relayed.get("large")) == b"x" * (LARGEST + 1)
    assert clients(relay) == ["PycURL", "MinIO"]


@pytest.mark.parametrize("key", ["ours", "others"])
@pytest.mark.parametrize(
    "fault",
    [
        Fault("GET", cut=700),
        Fault("GET", lose=True),
        Fault("GET", flip=1234),
        Fault("GET", answer=(503, "SlowDown")),
        Fault("GET", answer=(403, "RequestTimeTooSkewed")),
        Fault("GET", answer=(307, "TemporaryRedirect"), headers={"Location": "http://127.0.0.1:1/"}),
        Fault("GET", answer=(200, ""), headers={"ETag": '"00000000000000000000000000000000"'}, body="something else"),
    ],
    ids=["cut", "lost", "flipped", "busy", "refused", "redirected", "another"],
)
def test_what_fails_is_read_by_the_other_client_and_so_is_what_comes_next(
    relayed: Store, relay: Relay, fault: Fault, key: str
) -> None:
    data = bytes(range(256)) * 10
    relayed.put("ours", data)
    others = relayed.root.join("others")
    client().put_object(others.host, others.key, io.BytesIO(data), len(data))
    relay.faults = [fault]
    clients(relay)
    assert apart(lambda: relayed.get(key)) == data
    assert apart(lambda: relayed.get(key)) == data
    assert clients(relay) == ["PycURL", "MinIO", "MinIO"]


def test_what_is_wrong_is_said_as_ever(relayed: Store, relay: Relay) -> None:
    relayed.put("k", b"value")
    clients(relay)
    with pytest.raises(MissingError, match=f"s3://{BUCKET}/.*/none: no such object"):
        apart(lambda: relayed.get("none"))
    with pytest.raises(TooLargeError, match="5 bytes, more than the 4 allowed"):
        apart(lambda: open_source(relayed.root.join("k")).bytes(4))
    with pytest.raises(MissingError, match="no such object"):
        apart(lambda: open_source(relayed.root.join("none")).bytes(4))
    assert clients(relay) == ["PycURL"] * 3
    with pytest.raises(ConfigurationError, match="there is no bucket 'no-such-bucket'"):
        apart(lambda: open_store(Location.parse("s3://no-such-bucket/x")).get("k"))
    with pytest.raises(ConfigurationError, match="buck&t"):
        apart(lambda: open_store(Location.parse("s3://buck&t?list-type=2/x")).get("k"))
    where = relayed.root.join("damaged")
    client().put_object(where.host, where.key, io.BytesIO(b"other"), 5, metadata={"sha256": "0" * 64})
    with pytest.raises(DamagedError, match="damaged: its bytes do not fit their checksum"):
        apart(lambda: relayed.get("damaged"))


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("latency", {"latency": 50, "jitter": 50}),
        ("limit_data", {"bytes": 30_000}),
        ("reset_peer", {"timeout": 20}),
        ("slicer", {"average_size": 500, "size_variation": 400, "delay": 100}),
        ("timeout", {"timeout": 100}),
    ],
)
def test_faults_on_the_line_lose_and_change_nothing(
    faulty: Store, proxy: Toxiproxy, kind: str, attributes: dict[str, int]
) -> None:
    objects = {f"{number}": bytes([number]) * 5000 for number in range(40)}
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(faulty.put, objects, objects.values()))
        proxy.add(kind, **attributes)
        end = threading.Timer(0.5, lambda: proxy.remove(kind))
        end.start()
        assert list(pool.map(faulty.get, objects)) == list(objects.values())
        end.join()


def test_an_outage_is_waited_for(faulty: Store, proxy: Toxiproxy) -> None:
    faulty.put("k", b"v")
    proxy.enable(False)
    threading.Timer(1.0, lambda: proxy.enable(True)).start()
    assert apart(lambda: faulty.get("k")) == b"v"


def test_keys_that_are_renewed_in_their_file_are_taken_up(
    relayed: Store, relay: Relay, server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    relayed.put("k", b"value")
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "hospital")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-no-account")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    server.add_user("renewed", "another-secret", [f"arn:aws:s3:::{BUCKET}/*"])
    client.cache_clear()
    for key, secret in ((server.access_key, server.secret_key), ("renewed", "another-secret")):
        file.write_text(f"[hospital]\naws_access_key_id={key}\naws_secret_access_key={secret}\n")
        clients(relay)
        assert apart(lambda: relayed.get("k")) == b"value"
        assert clients(relay) == ["PycURL"]
    file.write_text("[hospital]\naws_access_key_id=renewed\naws_secret_access_key=wrong\n")
    with pytest.raises(ConfigurationError, match="refuses the credentials"):
        apart(lambda: relayed.get("k"))


def test_public_objects_need_no_keys(relayed: Store, relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    make_public("open-images")
    public = open_store(Location.parse("s3://open-images/a"))
    public.put("k", b"everybody's")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    client.cache_clear()
    clients(relay)
    assert apart(lambda: public.get("k")) == b"everybody's"
    assert clients(relay) == ["PycURL"]


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_has_the_other_client_and_none_is_asked_where_none_applies(
    s3: Store, relay: Relay, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    s3.put("k", b"value")
    monkeypatch.setenv(variable, relay.endpoint)
    client.cache_clear()
    assert apart(lambda: s3.get("k")) == b"value"
    assert clients(relay) == (["MinIO"] if variable == "HTTP_PROXY" else [])
    monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
    client.cache_clear()
    assert apart(lambda: s3.get("k")) == b"value"
    assert clients(relay) == []
    assert not client()._http.pools._container


READ_THEN_FORK = """
import os, sys, time
from concurrent.futures import ThreadPoolExecutor
from imaging_core.store import Location, open_store
store = open_store(Location.parse(sys.argv[1]))
def threads_after(reads):
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(store.get, ["k"] * reads)) == {b"value"}
    time.sleep(0.2)  # the threads that were joined are leaving
    return len(os.listdir("/proc/self/task"))
print(threads_after(40), flush=True)
if os.fork() == 0:
    print(threads_after(4), flush=True)
    os._exit(0)
os.wait()
print(threads_after(4))
"""


def test_reading_leaves_no_threads_and_a_fork_goes_on_with_connections_of_its_own(relayed: Store, relay: Relay) -> None:
    relayed.put("k", b"value")
    clients(relay)
    command = [sys.executable, "-c", READ_THEN_FORK, str(relayed.root)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert said.split() == ["1"] * 3
    assert clients(relay) == ["PycURL"] * 48
