"""A real MinIO server, reached straight, through toxiproxy, or through a relay with faults of its own."""

import os
from collections.abc import Iterator

import pytest

from imaging_core.store import Location, Store, open_store
from imaging_core.store.s3_client import client
from tests.http_relay import Relay, running_relay
from tests.s3_server import BUCKET, S3Server, Toxiproxy, running_server, running_toxiproxy


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_server(tmp_path_factory.mktemp("minio")) as server:
        yield server


@pytest.fixture(scope="session")
def proxy(server: S3Server) -> Iterator[Toxiproxy]:
    with running_toxiproxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]) -> Iterator[None]:
    """Nothing of AWS is set, no file of AWS is there, and nothing is remembered afterwards."""
    for name in [*os.environ]:
        if name.startswith("AWS_") or name.lower() in ("http_proxy", "https_proxy", "no_proxy", "ssl_cert_file"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    client.cache_clear()
    yield
    client.cache_clear()


@pytest.fixture
def s3(bare: None, server: S3Server, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Store:
    """A store under a prefix of its own, straight to the server."""
    return store_at(server.endpoint, server, monkeypatch, request)


@pytest.fixture
def faulty(
    bare: None, server: S3Server, proxy: Toxiproxy, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Store]:
    """A store whose connections all pass through toxiproxy."""
    yield store_at(proxy.endpoint, server, monkeypatch, request)
    proxy.reset()


@pytest.fixture
def relay(server: S3Server) -> Iterator[Relay]:
    with running_relay(f"127.0.0.1:{server.port}") as relay:
        yield relay


@pytest.fixture
def relayed(
    bare: None, server: S3Server, relay: Relay, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Store:
    """A store whose requests all pass through the relay."""
    return store_at(relay.endpoint, server, monkeypatch, request)


def store_at(endpoint: str, server: S3Server, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Store:
    for name, value in server.environment(endpoint).items():
        monkeypatch.setenv(name, value)
    return open_store(Location.parse(f"s3://{BUCKET}/{request.node.name}"))
