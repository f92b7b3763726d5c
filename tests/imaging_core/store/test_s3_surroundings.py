"""S3 as hospitals have it: busy servers, private certificate authorities, proxies."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from imaging_core.errors import ConfigurationError
from imaging_core.store import Location, Store, open_store
from imaging_core.store.connection import proxy_for
from imaging_core.store.s3_client import client
from tests.http_relay import Relay
from tests.s3_server import BUCKET, S3Server, running_server, running_toxiproxy

DATA = bytes(range(256)) * 40_000


@dataclass(frozen=True)
class Private:
    """A server whose certificate an authority of its own has signed."""

    server: S3Server
    authority: Path
    store: Store


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[S3Server, Path]]:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    certificates = folder / "certs"
    certificates.mkdir()
    certificate.private_key_pem.write_to_path(certificates / "private.key")
    for part in certificate.cert_chain_pems:
        part.write_to_path(certificates / "public.crt", append=True)
    authority.cert_pem.write_to_path(folder / "authority.pem")
    with running_server(folder / "minio", certificates) as server:
        yield server, folder / "authority.pem"


@pytest.fixture
def private(bare: None, tls_server: tuple[S3Server, Path], monkeypatch: pytest.MonkeyPatch) -> Private:
    server, authority = tls_server
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return Private(server, authority, open_store(Location.parse(f"s3://{BUCKET}/runs")))


def test_a_storm_of_503_is_waited_out(relayed: Store, relay: Relay) -> None:
    relay.busy(6)
    relayed.put("k", b"value")
    relay.busy(3)
    assert relayed.get("k") == b"value"
    relay.busy(3)
    assert list(relayed.list()) == ["k"]
    assert len(relay.requests) == 7 + 4 + 4


def test_a_private_certificate_authority_is_trusted_when_named(
    private: Private, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match="certificate is not trusted; set AWS_CA_BUNDLE"):
        private.store.get("k")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(private.authority))
    client.cache_clear()
    private.store.put("k", b"value")
    assert private.store.get("k") == b"value"


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "AWS_CA_BUNDLE"])
def test_threads_trust_the_same_authorities(private: Private, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, str(private.authority))
    client.cache_clear()
    private.store.put("k", b"value")
    client.cache_clear()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(private.store.get, "k").result() == b"value"
    assert len(client()._http.pools._container) == 0  # libcurl has connections of its own


def test_a_file_of_authorities_that_is_not_there_is_named(private: Private, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/no/such.pem")
    with pytest.raises(ConfigurationError, match=r"AWS_CA_BUNDLE: /no/such\.pem: there is no such file"):
        private.store.get("k")


def test_a_line_that_breaks_under_tls_is_no_wrong_certificate(
    private: Private, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(private.authority))
    with running_toxiproxy(private.server.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.endpoint.replace("http:", "https:"))
        for kind, attributes in (("limit_data", {"bytes": 1_000_000}), ("reset_peer", {"timeout": 20})):
            proxy.add(kind, **attributes)
            threading.Timer(1.0, proxy.remove, [kind]).start()
            private.store.put("k", DATA)
            assert private.store.get("k") == DATA


def test_https_where_there_is_no_tls_is_told(s3: Store, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.endpoint.replace("http:", "https:"))
    with pytest.raises(ConfigurationError, match="does not speak TLS there"):
        s3.get("k")


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY"])
def test_a_proxy_is_used_except_where_no_proxy_says_so(
    s3: Store, relay: Relay, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, relay.endpoint)
    s3.put("k", b"value")
    assert len(relay.requests) == 1
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    client.cache_clear()
    assert s3.get("k") == b"value"
    assert len(relay.requests) == 1


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY"])
def test_a_proxy_with_a_password_tunnels_tls(
    private: Private, relay: Relay, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    relay.login = "clinic:s p@ce"
    monkeypatch.setenv("AWS_CA_BUNDLE", str(private.authority))
    monkeypatch.setenv(variable, relay.endpoint.replace("http://", "http://clinic:s%20p%40ce@"))
    private.store.put("k", DATA)
    assert private.store.get("k") == DATA
    assert relay.requests == [("CONNECT", f"127.0.0.1:{private.server.port}")]

    monkeypatch.setenv(variable, relay.endpoint.replace("http://", "http://clinic:wrong@"))
    client.cache_clear()
    with pytest.raises(ConfigurationError, match="proxy refuses the connection; check HTTPS_PROXY") as refused:
        private.store.get("k")
    assert "wrong" not in str(refused.value)


@pytest.mark.parametrize(
    ("no_proxy", "url", "used"),
    [
        ("", "https://s3.hospital.example", True),
        ("s3.hospital.example", "https://s3.hospital.example:9000", False),
        (".hospital.example", "https://s3.hospital.example", False),
        ("hospital.example", "https://s3.hospital.example", False),
        ("other.example", "https://s3.hospital.example", True),
        ("s3.hospital.example:9000", "https://s3.hospital.example:9000", False),
        ("s3.hospital.example:9000", "https://s3.hospital.example:9001", True),
        ("s3.hospital.example:443", "https://s3.hospital.example", False),
        ("10.0.0.0/8, 192.168.0.0/16", "http://10.1.2.3:9000", False),
        ("10.0.0.0/8,192.168.0.0/16", "http://192.168.7.7", False),
        ("10.0.0.0/8", "http://11.1.2.3:9000", True),
        ("10.0.0.0/8", "https://s3.hospital.example", True),
        ("nonsense/8", "http://10.1.2.3:9000", True),
        ("*", "https://s3.hospital.example", False),
    ],
)
@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
def test_no_proxy_names_hosts_ports_and_networks(
    bare: None, monkeypatch: pytest.MonkeyPatch, variable: str, no_proxy: str, url: str, used: bool
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "proxy.example:3128")
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv(variable, no_proxy)
    assert proxy_for(url) == ("http://proxy.example:3128" if used else None)
