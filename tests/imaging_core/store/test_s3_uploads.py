"""Large objects: whole or absent whatever happens, and no upload is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imaging_core.errors import TemporaryError
from imaging_core.store import Store, retry, s3
from imaging_core.store.s3_client import client
from imaging_core.store.s3_upload import PART_BYTES
from tests.http_relay import Fault, Relay
from tests.s3_server import BUCKET, S3Server, Toxiproxy

LARGE = bytes(range(256)) * 160_000
OTHER = LARGE[::-1]
PARTS = -(-len(LARGE) // PART_BYTES)

WRITER = """
import sys
from imaging_core.store import Location, open_store, s3
s3.LARGEST_PUT = 1_000_000
open_store(Location.parse(sys.argv[1])).put("k", bytes(range(256)) * 400_000)
"""


@pytest.fixture(autouse=True)
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Smaller objects count as large, so that tests move less data."""
    monkeypatch.setattr(s3, "LARGEST_PUT", PART_BYTES)


def unfinished(store: Store, key: str = "k") -> list[str]:
    """The uploads of an object that were begun and neither completed nor aborted."""
    listed = client()._list_multipart_uploads(BUCKET, prefix=store.root.join(key).key)
    return [str(each.upload_id) for each in listed.uploads]


def parts_sent(relay: Relay) -> int:
    return sum(method == "PUT" and "partNumber" in path for method, path in relay.requests)


def test_a_part_that_fails_is_sent_again_and_the_others_are_not(relayed: Store, relay: Relay) -> None:
    relay.faults = [Fault("PUT", "partNumber=2", answer=(503, "SlowDown")), Fault("PUT", "partNumber=3", lose=True)]
    relayed.put("k", LARGE)
    assert parts_sent(relay) == PARTS + 2
    assert relayed.get("k") == LARGE
    assert unfinished(relayed) == []


@pytest.mark.parametrize("before", [None, OTHER])
def test_an_answer_that_is_lost_when_the_upload_completes_changes_nothing(
    relayed: Store, relay: Relay, before: bytes | None
) -> None:
    if before is not None:
        relayed.put("k", before)
        relay.requests.clear()
    relay.faults = [Fault("POST", "uploadId", lose=True)]
    relayed.put("k", LARGE)
    assert parts_sent(relay) == PARTS
    assert relayed.get("k") == LARGE
    assert unfinished(relayed) == []


def test_an_answer_that_is_lost_when_the_upload_begins_leaves_no_upload(relayed: Store, relay: Relay) -> None:
    relay.faults = [Fault("POST", "uploads", lose=True)]
    relayed.put("k", LARGE)
    assert relayed.get("k") == LARGE
    assert unfinished(relayed) == []


def test_a_completion_that_says_200_and_then_an_error_is_no_completion(relayed: Store, relay: Relay) -> None:
    relay.faults = [Fault("POST", "uploadId", answer=(200, "InternalError"))]
    relayed.put("k", LARGE)
    assert parts_sent(relay) == 2 * PARTS
    assert relayed.get("k") == LARGE
    assert unfinished(relayed) == []


def test_an_upload_that_someone_aborts_is_begun_anew(relayed: Store, relay: Relay) -> None:
    def abort() -> None:
        for upload in unfinished(relayed):
            client()._abort_multipart_upload(BUCKET, relayed.root.join("k").key, upload)

    relay.faults = [Fault("PUT", "partNumber=1", then=abort)]
    relayed.put("k", LARGE)
    assert relayed.get("k") == LARGE
    assert unfinished(relayed) == []


@pytest.mark.parametrize("before", [None, OTHER])
def test_an_upload_that_cannot_be_finished_leaves_what_was_there(
    faulty: Store, proxy: Toxiproxy, monkeypatch: pytest.MonkeyPatch, before: bytes | None
) -> None:
    if before is not None:
        faulty.put("k", before)
    monkeypatch.setattr(retry, "GIVE_UP_SECONDS", 2)
    proxy.add("limit_data", "upstream", bytes=5_000_000)
    with pytest.raises(TemporaryError):
        faulty.put("k", LARGE)
    proxy.remove("limit_data")
    if before is None:
        assert not faulty.exists("k")
    else:
        assert faulty.get("k") == before
    faulty.put("k", LARGE)
    assert unfinished(faulty) == []


def test_what_a_killed_writer_left_goes_with_the_next_write(faulty: Store, proxy: Toxiproxy, server: S3Server) -> None:
    proxy.add("bandwidth", "upstream", rate=20_000)
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(faulty.root)], cwd=Path(__file__).parents[3], env=os.environ
    )
    while not unfinished(faulty):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    proxy.remove("bandwidth")
    assert not faulty.exists("k")
    assert len(unfinished(faulty)) == 1
    faulty.put("k", LARGE)
    assert faulty.get("k") == LARGE
    assert unfinished(faulty) == []


def test_the_uploads_of_other_objects_are_left_alone(s3: Store) -> None:
    key = s3.root.join("k2").key
    theirs = client()._create_multipart_upload(BUCKET, key, {})
    s3.put("k", LARGE)
    assert unfinished(s3, "k2") == [theirs]
    client()._abort_multipart_upload(BUCKET, key, theirs)
