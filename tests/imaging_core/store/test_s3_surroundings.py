"""S3 as hospitals have it: busy servers, private certificate authorities, proxies."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from imaging_core.errors import ConfigurationError
from imaging_core.store import Location, Store, open_store
from imaging_core.store.s3_client import client
from tests.http_relay import running_relay
from tests.s3_server import BUCKET, S3Server, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_server(tmp_path_factory.mktemp("minio")) as server:
        yield server


@pytest.fixture
def store(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    client.cache_clear()
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    yield open_store(Location.parse(f"s3://{BUCKET}/runs"))
    client.cache_clear()


def test_a_storm_of_503_is_waited_out(store: Store, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_relay(f"127.0.0.1:{server.port}", busy=6) as relay:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", relay.endpoint)
        client.cache_clear()
        store.put("k", b"value")
        relay.busy = 3
        assert store.get("k") == b"value"
        relay.busy = 3
        assert list(store.list()) == ["k"]
        assert relay.relayed == 3


def test_a_private_certificate_authority_is_trusted_when_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificates = tmp_path / "certs"
    certificates.mkdir()
    certificate.private_key_pem.write_to_path(certificates / "private.key")
    for part in certificate.cert_chain_pems:
        part.write_to_path(certificates / "public.crt", append=True)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    with running_server(tmp_path / "minio", certificates) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        store = open_store(Location.parse(f"s3://{BUCKET}/runs"))

        monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
        client.cache_clear()
        with pytest.raises(ConfigurationError, match="certificate is not trusted; set AWS_CA_BUNDLE"):
            store.get("k")

        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "authority.pem"))
        client.cache_clear()
        store.put("k", b"value")
        assert store.get("k") == b"value"
    client.cache_clear()


def test_a_proxy_is_used_except_where_no_proxy_says_so(
    store: Store, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("k", b"value")
    with running_relay(f"127.0.0.1:{server.port}") as relay:
        monkeypatch.setenv("http_proxy", relay.endpoint)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        client.cache_clear()
        assert store.get("k") == b"value"
        assert relay.relayed == 1
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        client.cache_clear()
        assert store.get("k") == b"value"
        assert relay.relayed == 1
