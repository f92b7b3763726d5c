"""What a server says, as our errors: at once or after another try, with what is wrong and the fix."""

import json
import time
from datetime import timedelta

import minio.time
import pytest

from imaging_core.dataset.dtd import read_dataset
from imaging_core.dataset.shards import cut
from imaging_core.errors import ConfigurationError, DeniedError, InferenceError, LostError, MissingError, TemporaryError
from imaging_core.store import Store, open_source, open_store, retry
from imaging_core.store.s3_client import client
from tests.http_relay import Fault, Relay
from tests.s3_server import BUCKET, S3Server, running_server

GATEWAY = "a page of a gateway, in Latin-1"


def as_reader_of(keys: str, user: str, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on requests are those of a new user who may read these keys, and nothing else."""
    server.add_user(user, "a-users-secret", [f"arn:aws:s3:::{BUCKET}/{keys}"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", user)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-users-secret")
    client.cache_clear()


@pytest.mark.parametrize(
    ("status", "code", "kind", "message"),
    [
        (403, "AccessDenied", DeniedError, "access denied; give these credentials the right to this in bucket"),
        (403, "InvalidAccessKeyId", ConfigurationError, r"refuses the credentials \(InvalidAccessKeyId\); check AWS_A"),
        (403, "SignatureDoesNotMatch", ConfigurationError, "refuses the credentials"),
        (400, "ExpiredToken", ConfigurationError, "session token has expired; get new credentials, then run the same"),
        (403, "RequestTimeTooSkewed", ConfigurationError, "clock and the server's differ"),
        (404, "NoSuchBucket", ConfigurationError, "there is no bucket 'medical-images'"),
        (404, "NoSuchKey", MissingError, "no such object"),
        (301, "PermanentRedirect", ConfigurationError, "served elsewhere; set AWS_REGION to its region"),
        (405, "MethodNotAllowed", ConfigurationError, r"refuses the request \(MethodNotAllowed\)"),
        (501, "NotImplemented", ConfigurationError, r"refuses the request \(NotImplemented\)"),
    ],
)
def test_what_no_retry_mends_is_told_at_once_with_bucket_and_key(
    relayed: Store, relay: Relay, status: int, code: str, kind: type[InferenceError], message: str
) -> None:
    relay.faults = [Fault("GET", answer=(status, code))]
    with pytest.raises(kind, match=f"^s3://{BUCKET}/.*/scan 1.png: .*{message}") as refused:
        relayed.get("scan 1.png")
    assert type(refused.value) is kind
    assert len(relay.requests) == 1


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (500, "InternalError"),
        (502, GATEWAY),
        (503, "SlowDown"),
        (503, "ServiceUnavailable"),
        (503, GATEWAY),
        (504, GATEWAY),
        (400, "RequestTimeout"),
        (400, "IncompleteBody"),
        (409, "OperationAborted"),
        (429, ""),
        (507, "XMinioStorageFull"),
    ],
)
def test_what_may_pass_is_tried_again(relayed: Store, relay: Relay, status: int, code: str) -> None:
    page = {"body": "<html>caf\xe9</html>", "headers": {"Content-Type": "text/html"}} if code == GATEWAY else {}
    for method in ("PUT", "GET", "GET", "DELETE"):
        relay.faults += [Fault(method, answer=(status, code), **page)]
    relayed.put("k", b"v")
    assert relayed.get("k") == b"v"
    assert relayed.exists("k")
    relayed.delete("k")
    assert len(relay.requests) == 8


def test_a_region_that_the_server_names_is_passed_on(s3: Store, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIO_SITE_REGION", "eu-hospital-1")
    with running_server(tmp_path / "elsewhere") as elsewhere:
        for name, value in elsewhere.environment().items():
            monkeypatch.setenv(name, value)
        assert "served elsewhere; set AWS_REGION=eu-hospital-1" in refused(s3)
        monkeypatch.setenv("AWS_REGION", "eu-hospital-1")
        client.cache_clear()
        s3.put("k", b"v")
        assert s3.get("k") == b"v"


def refused(s3: Store) -> str:
    """What the server's refusal is told as; right after its start it does not know its own region yet."""
    for _ in range(100):
        try:
            s3.get("k")
        except ConfigurationError as error:
            return str(error)
        except MissingError:
            time.sleep(0.2)
    raise AssertionError("the server does not mind the region")


def test_a_clock_that_is_wrong_is_told(s3: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    right = minio.time.utcnow
    monkeypatch.setattr(minio.time, "utcnow", lambda: right() + timedelta(hours=2))
    with pytest.raises(ConfigurationError, match="this machine's clock and the server's differ"):
        s3.get("k")


def test_a_right_that_is_missing_denies_one_object_and_not_the_others(
    s3: Store, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.put("open/1.png", b"open")
    s3.put("closed/2.png", b"closed")
    as_reader_of(f"{s3.root.key}/open/*", "clinician", server, monkeypatch)
    assert s3.get("open/1.png") == b"open"
    for denied in (
        lambda: s3.get("closed/2.png"),
        lambda: open_source(s3.root.join("closed/2.png")).size(),
        lambda: open_source(s3.root.join("closed/2.png")).open(),
        lambda: s3.put("open/3.png", b""),
        lambda: list(s3.list()),
    ):
        with pytest.raises(DeniedError, match=f"access denied; give these credentials the right .* {BUCKET!r}"):
            denied()


def test_splitting_goes_on_without_sizes_and_says_why(
    s3: Store, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = {"name": "x", "images": ["1.png", "2.png"], "split": {"test": [0, 1]}}
    s3.put("x.yml", json.dumps(dataset).encode())
    dataset = read_dataset(s3.root.join("x.yml"), "test")
    as_reader_of("*", "student", server, monkeypatch)
    assert cut(dataset, "test", 2, policy="balanced", folder=s3.root).cost == "samples"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a wrong one")
    client.cache_clear()
    made = cut(dataset, "test", 2, policy="balanced", folder=s3.root)
    assert made.cost == "samples"
    assert "the server refuses the credentials" in made.warnings[0]


def test_one_object_that_never_comes_does_not_make_the_store_a_lost_one(
    relayed: Store, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    relayed.put("sound", b"v")
    monkeypatch.setattr(retry, "GIVE_UP_SECONDS", 0)
    for _ in range(2 * retry.LOST_AFTER):
        relay.faults = [Fault("GET", "broken", answer=(500, "InternalError"))]
        with pytest.raises(TemporaryError, match=r"does not answer as it should \(InternalError\)") as given_up:
            relayed.get("broken")
        assert not isinstance(given_up.value, LostError)
        assert relayed.get("sound") == b"v"
    relay.busy(retry.LOST_AFTER)
    for number in range(1, retry.LOST_AFTER + 1):
        with pytest.raises(TemporaryError) as given_up:
            relayed.get("sound")
        assert isinstance(given_up.value, LostError) == (number == retry.LOST_AFTER)


def test_keys_that_lead_out_of_the_prefix_are_refused(s3: Store) -> None:
    below = open_store(s3.root.join("run"))
    for touch in (below.get, below.exists, below.delete, lambda key: below.put(key, b"x")):
        with pytest.raises(InferenceError, match="leads out of it"):
            touch("../other/k")
    assert list(s3.list()) == []
