"""The S3 client of this process: endpoint, credentials, TLS, proxies and time-outs from AWS's usual environment."""

import os
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import certifi
import urllib3
from minio import Minio

from imaging_core.errors import ConfigurationError
from imaging_core.store.connection import pool, proxy_for
from imaging_core.store.s3_credentials import find_credentials
from imaging_core.store.s3_profile import Profile, read_profile

CONNECTIONS = 64
"""Connections that a process keeps open; more threads than that wait for one."""

CONNECT_SECONDS = 10
READ_SECONDS = 60
DEFAULT_REGION = "us-east-1"

_AMAZON = "Amazon"
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


@lru_cache(maxsize=1)
def client() -> Minio:
    """The client that all threads of this process share.

    Read from the environment: AWS_ENDPOINT_URL_S3 (or AWS_ENDPOINT_URL), AWS_REGION, AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE and the files in ``~/.aws``, AWS_CA_BUNDLE, HTTPS_PROXY and
    NO_PROXY; without keys, a pod's own identity; without that, nobody's, for public buckets. An empty variable is as
    good as none. Buckets are addressed by the path, on Amazon's own servers by the host name.

    Raises:
        ConfigurationError: the endpoint is not a URL of a server, or what names the credentials cannot be used.
    """
    profile = read_profile()
    region = _region(profile)
    where, endpoint = _endpoint(profile)
    url = urlsplit(endpoint)
    if url.scheme not in ("http", "https") or not url.hostname or url.path.strip("/") or url.query or url.username:
        raise ConfigurationError(f"{where}: not the address of an S3 server; give http(s)://host:port without a path")
    if region is None and where != _AMAZON:
        region = DEFAULT_REGION
    return Minio(
        url.netloc,
        secure=url.scheme == "https",
        region=region,
        credentials=find_credentials(profile, _pool_for),
        http_client=_pool_for(endpoint),
    )


os.register_at_fork(after_in_child=client.cache_clear)


def address() -> str:
    """Where requests go: ``http(s)://host:port``."""
    return _endpoint(read_profile())[1].rstrip("/")


def has_credentials() -> bool:
    """Whether the requests of this process are signed."""
    return find_credentials(read_profile(), _pool_for) is not None


def _endpoint(profile: Profile) -> tuple[str, str]:
    """What names the endpoint, and the endpoint."""
    for name in _ENDPOINTS:
        if value := os.environ.get(name):
            return name, value
    if profile.endpoint_url:
        return f"endpoint_url of profile {profile.name!r}", profile.endpoint_url
    region = _region(profile)
    return _AMAZON, f"https://s3.{region}.amazonaws.com" if region else "https://s3.amazonaws.com"


def _region(profile: Profile) -> str | None:
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or profile.get("region")


def authorities() -> str | None:
    """The file of certificate authorities that is trusted instead of the usual ones; None for those."""
    return os.environ.get("AWS_CA_BUNDLE") or read_profile().get("ca_bundle") or os.environ.get("SSL_CERT_FILE") or None


def _pool_for(url: str) -> urllib3.PoolManager:
    trusted = authorities()
    if trusted and not Path(trusted).is_file():
        raise ConfigurationError(f"AWS_CA_BUNDLE: {trusted}: there is no such file")
    return pool(
        proxy_for(url),
        maxsize=CONNECTIONS,
        block=True,
        timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        retries=False,  # what is worth a retry is decided once, in retry.py
        cert_reqs="CERT_REQUIRED",
        ca_certs=trusted or certifi.where(),
    )
