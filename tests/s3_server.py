"""A real MinIO server and a real toxiproxy before it, started by the tests that need them."""

import io
import json
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from minio.credentials.providers import StaticProvider
from minio.minioadmin import MinioAdmin

from imaging_core.store.s3_client import address, client

BUCKET = "medical-images"


@dataclass
class S3Server:
    """A MinIO server on loopback."""

    port: int
    access_key: str
    secret_key: str
    folder: Path
    certificates: Path | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def endpoint(self) -> str:
        return f"{'https' if self.certificates else 'http'}://127.0.0.1:{self.port}"

    def environment(self, endpoint: str | None = None) -> dict[str, str]:
        """What a person would set to use this server."""
        return {
            "AWS_ENDPOINT_URL_S3": endpoint or self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
        }

    def add_user(self, name: str, secret: str, readable: list[str]) -> None:
        """A new user who may read these objects (ARNs), and nothing else."""
        keys = StaticProvider(self.access_key, self.secret_key)
        admin = MinioAdmin(endpoint=f"127.0.0.1:{self.port}", credentials=keys, secure=False)
        allowed = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": readable}
        admin.policy_add(f"of-{name}", policy={"Version": "2012-10-17", "Statement": [allowed]})
        admin.user_add(name, secret)
        admin.attach_policy([f"of-{name}"], user=name)

    def start(self) -> None:
        environment = {**os.environ, "MINIO_ROOT_USER": self.access_key, "MINIO_ROOT_PASSWORD": self.secret_key}
        command = [find("minio"), "server", str(self.folder), "--address", f"127.0.0.1:{self.port}", "--quiet"]
        if self.certificates is not None:
            command += ["--certs-dir", str(self.certificates)]
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        trust = ssl._create_unverified_context()  # noqa: S323 - only asks whether the server is up
        ready = f"{self.endpoint}/minio/health/ready"
        wait_until(lambda: urllib.request.urlopen(ready, timeout=1, context=trust), "MinIO")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def make_public(bucket: str) -> None:
    """A new bucket whose objects everybody may read."""
    client().make_bucket(bucket)
    allowed = {
        "Effect": "Allow",
        "Principal": {"AWS": ["*"]},
        "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/*"],
    }
    client().set_bucket_policy(bucket, json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    client().put_object(bucket, "probe", io.BytesIO(), 0)
    while not _answers(f"{address()}/{bucket}/probe"):  # the server takes its time
        time.sleep(0.05)
    client().remove_object(bucket, "probe")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10):
            return True
    except urllib.error.HTTPError:
        return False


class Toxiproxy:
    """Faults between a client and a server, by toxiproxy's HTTP interface."""

    def __init__(self, control: int, port: int) -> None:
        self._control = f"http://127.0.0.1:{control}"
        self.endpoint = f"http://127.0.0.1:{port}"

    def add(self, kind: str, stream: str = "downstream", **attributes: int) -> None:
        self._call(
            "POST", "/proxies/s3/toxics", {"name": kind, "type": kind, "stream": stream, "attributes": attributes}
        )

    def remove(self, kind: str) -> None:
        self._call("DELETE", f"/proxies/s3/toxics/{kind}")

    def enable(self, enabled: bool) -> None:
        self._call("POST", "/proxies/s3", {"enabled": enabled})

    def create(self, listen: str, upstream: str) -> None:
        self._call("POST", "/proxies", {"name": "s3", "listen": listen, "upstream": upstream, "enabled": True})

    def reset(self) -> None:
        self._call("POST", "/reset")

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._control + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=10):
            pass


@contextmanager
def running_server(folder: Path, certificates: Path | None = None) -> Iterator[S3Server]:
    """A server with an empty bucket :data:`BUCKET`; with TLS when there are ``certificates``."""
    server = S3Server(free_port(), "test-" + secrets.token_hex(4), secrets.token_hex(16), folder, certificates)
    (folder / BUCKET).mkdir(parents=True)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def used(server: S3Server) -> Iterator[None]:
    """Meanwhile this process, and those that it starts, use the server."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment().items():
            patch.setenv(name, value)
        client.cache_clear()
        yield
    client.cache_clear()


@contextmanager
def running_toxiproxy(upstream: int, host: str = "127.0.0.1") -> Iterator[Toxiproxy]:
    control, port = free_port(), free_port()
    command = [find("toxiproxy-server"), "-host", "127.0.0.1", "-port", str(control)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: urllib.request.urlopen(f"http://127.0.0.1:{control}/version", timeout=1), "toxiproxy")
        proxy = Toxiproxy(control, port)
        proxy.create(f"127.0.0.1:{port}", f"{host}:{upstream}")
        yield proxy
    finally:
        process.kill()
        process.wait()


def path_of(program: str) -> str | None:
    """The program on PATH or in $CLUSTER_BIN."""
    return shutil.which(program, path=os.environ.get("CLUSTER_BIN", "") + os.pathsep + os.environ["PATH"])


def find(program: str) -> str:
    """The program on PATH or in $CLUSTER_BIN; skips the test where it is not."""
    found = path_of(program)
    if found is None:
        pytest.skip(f"{program} is neither on PATH nor in $CLUSTER_BIN")
    return found


def free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


def wait_until(ready: Any, what: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            ready()
        except OSError:
            if time.monotonic() > end:
                raise TimeoutError(f"{what} did not start in {seconds} s") from None
            time.sleep(0.1)
        else:
            return
