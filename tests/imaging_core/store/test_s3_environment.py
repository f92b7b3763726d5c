"""Where endpoint, region and credentials come from: variables, AWS's files, a pod's own identity, nothing."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from minio.credentials.providers import AssumeRoleProvider

from imaging_core.errors import ConfigurationError, MissingError
from imaging_core.store import Location, Store, open_store
from imaging_core.store.s3_client import client
from tests.s3_server import S3Server, make_public

VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")


@pytest.fixture
def files(s3: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Writes ``~/.aws/config`` and ``~/.aws/credentials``; of the variables none is left."""
    s3.put("k", b"v")
    for name in VARIABLES:
        monkeypatch.delenv(name)

    def write(config: str, credentials: str = "") -> None:
        (tmp_path / ".aws").mkdir(exist_ok=True)
        (tmp_path / ".aws/config").write_text(config)
        (tmp_path / ".aws/credentials").write_text(credentials)
        client.cache_clear()

    return write


def keys(server: S3Server) -> str:
    return f"aws_access_key_id = {server.access_key}\naws_secret_access_key = {server.secret_key}\n"


def test_keys_come_from_the_credentials_file_and_the_endpoint_from_the_config_file(
    s3: Store, files: Callable[..., None], server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = f"endpoint_url = {server.endpoint}\n"
    files(f"[profile hospital]\nregion = us-east-1\n{endpoint}", f"[hospital]\n{keys(server)}")
    monkeypatch.setenv("AWS_PROFILE", "hospital")
    assert s3.get("k") == b"v"
    files(f"[default]\n{endpoint}{keys(server)}")
    monkeypatch.delenv("AWS_PROFILE")
    client.cache_clear()
    assert s3.get("k") == b"v"


def test_a_services_section_names_the_endpoint_of_s3_before_that_of_all_services(
    s3: Store, files: Callable[..., None], server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(
        f"[default]\nservices = ours\nendpoint_url = http://127.0.0.1:1\n{keys(server)}\n"
        f"[services ours]\ndynamodb =\n  endpoint_url = http://127.0.0.1:2\ns3 =\n  endpoint_url = {server.endpoint}\n"
    )
    assert s3.get("k") == b"v"


def test_variables_come_before_files_and_empty_ones_count_as_none(
    s3: Store, files: Callable[..., None], server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(f"[default]\nendpoint_url = {server.endpoint}\n{keys(server)}")
    for name in (*VARIABLES, "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_CA_BUNDLE"):
        monkeypatch.setenv(name, "")
    assert s3.get("k") == b"v"
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "else-entirely")
    client.cache_clear()
    with pytest.raises(ConfigurationError, match="refuses the credentials"):
        s3.get("k")


def test_secrets_may_hold_percent_signs(s3: Store, files: Callable[..., None], server: S3Server) -> None:
    files(f"[default]\nendpoint_url = {server.endpoint}\naws_access_key_id = a\naws_secret_access_key = %(x)s%%\n")
    with pytest.raises(ConfigurationError, match=r"refuses the credentials \(InvalidAccessKeyId\)"):
        s3.get("k")


def test_keys_that_are_renewed_in_the_file_are_taken_up(
    s3: Store, files: Callable[..., None], server: S3Server, tmp_path: Path
) -> None:
    config = f"[default]\nendpoint_url = {server.endpoint}\n"
    files(config, "[default]\naws_access_key_id = expired\naws_secret_access_key = expired\n")
    with pytest.raises(ConfigurationError, match="refuses the credentials"):
        s3.get("k")
    (tmp_path / ".aws/credentials").write_text(f"[default]\n{keys(server)}")
    assert s3.get("k") == b"v"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("[default]\nregion = x\n", "AWS_PROFILE=clinic: there is no such profile in .*/.aws/config or"),
        ("[profile clinic]\nsso_session = x\n", "'clinic' takes its S3 credentials from sso_session, .* export-cred"),
        ("[profile clinic]\nendpoint_url = nowhere\n", "endpoint_url of profile 'clinic': not the address"),
        ("not an ini file", "config: not readable"),
    ],
)
def test_a_profile_that_cannot_be_used_is_named(
    s3: Store, files: Callable[..., None], monkeypatch: pytest.MonkeyPatch, config: str, message: str
) -> None:
    files(config)
    monkeypatch.setenv("AWS_PROFILE", "clinic")
    with pytest.raises(ConfigurationError, match=message):
        s3.get("k")


def test_a_key_without_its_secret_is_told(s3: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigurationError, match="AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY"):
        s3.get("k")


def test_without_credentials_public_objects_are_read_and_others_ask_for_credentials(
    s3: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_public("public-images")
    public = open_store(Location.parse("s3://public-images/a"))
    public.put("k", b"everybody's")
    s3.put("k", b"mine")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    client.cache_clear()
    assert public.get("k") == b"everybody's"
    for forbidden in (lambda: s3.get("k"), lambda: public.put("k", b"x"), lambda: list(s3.list())):
        with pytest.raises(ConfigurationError, match="access denied, and there are no S3 credentials: set AWS_ACCESS"):
            forbidden()


def test_without_aws_region_a_server_of_ones_own_is_asked_in_the_usual_one(
    s3: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(MissingError):
        s3.get("nothing")


class _Identity(BaseHTTPRequestHandler):
    """What a pod's agent is: it hands out credentials that expire, to whoever has the token."""

    def do_GET(self) -> None:
        known = self.headers.get("Authorization") == "let-me-in"
        status, body = (self.server.status, self.server.body) if known else (401, b"{}")  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def agent(s3: Store, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    issued = AssumeRoleProvider(
        sts_endpoint=server.endpoint, access_key=server.access_key, secret_key=server.secret_key, region="us-east-1"
    ).retrieve()
    said = {"AccessKeyId": issued.access_key, "SecretAccessKey": issued.secret_key, "Token": issued.session_token}
    with ThreadingHTTPServer(("127.0.0.1", 0), _Identity) as agent:
        agent.status = 200  # type: ignore[attr-defined]
        agent.body = json.dumps(said | {"Expiration": "2099-01-01T00:00:00Z"}).encode()  # type: ignore[attr-defined]
        threading.Thread(target=agent.serve_forever, args=(0.02,), daemon=True).start()
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{agent.server_port}/creds")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "let-me-in")
        yield agent
        agent.shutdown()


def test_a_pods_own_identity_gives_credentials_with_a_session_token(
    s3: Store, agent: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.put("k", b"v")
    assert s3.get("k") == b"v"
    client.cache_clear()
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a-secret-of-mine")
    with pytest.raises(
        ConfigurationError, match=r"this pod's identity gives no S3 credentials \(HTTP 401\)"
    ) as refused:
        s3.get("k")
    assert "a-secret-of-mine" not in str(refused.value)


def test_session_tokens_work_from_variables(
    s3: Store, agent: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = json.loads(agent.body)  # type: ignore[attr-defined]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", said["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", said["SecretAccessKey"])
    with pytest.raises(ConfigurationError):
        s3.put("k", b"v")
    monkeypatch.setenv("AWS_SESSION_TOKEN", said["Token"])
    client.cache_clear()
    s3.put("k", b"v")
    assert s3.get("k") == b"v"
