"""The S3 client of this process: endpoint, credentials, TLS, proxies and time-outs from AWS's usual environment."""

import configparser
import os
import urllib.request
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from urllib.parse import urlsplit

import certifi
import urllib3
from minio import Minio
from minio.credentials.providers import AWSConfigProvider, EnvAWSProvider, IamAwsProvider, Provider

from imaging_core.errors import ConfigurationError

CONNECTIONS = 64
"""Connections that a process keeps open; more threads than that wait for one."""

CONNECT_SECONDS = 10
READ_SECONDS = 60
DEFAULT_REGION = "us-east-1"

_OWN_IDENTITY = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


@lru_cache(maxsize=1)
def client() -> Minio:
    """The client that all threads of this process share.

    Read from the environment: AWS_ENDPOINT_URL_S3 (or AWS_ENDPOINT_URL), AWS_REGION, AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE and the files in ``~/.aws``, AWS_CA_BUNDLE, HTTPS_PROXY and
    NO_PROXY; without keys, a pod's or an instance's own identity.

    Raises:
        ConfigurationError: the endpoint is not a URL of a server, or there are no credentials.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or _profile_region()
    if endpoint is None:
        endpoint = f"https://s3.{region}.amazonaws.com" if region else "https://s3.amazonaws.com"
    elif region is None:
        region = DEFAULT_REGION
    url = urlsplit(endpoint)
    if url.scheme not in ("http", "https") or not url.hostname or url.path.strip("/") or url.query or url.username:
        raise ConfigurationError(
            "AWS_ENDPOINT_URL_S3: not the address of an S3 server; give http(s)://host:port without a path"
        )
    return Minio(
        url.netloc,
        secure=url.scheme == "https",
        region=region,
        credentials=_credentials(),
        http_client=_pool(endpoint),
    )


os.register_at_fork(after_in_child=client.cache_clear)


def _credentials() -> Provider:
    if os.environ.get("AWS_ACCESS_KEY_ID") and os.environ.get("AWS_SECRET_ACCESS_KEY"):
        return EnvAWSProvider()
    from_file = AWSConfigProvider()
    try:
        from_file.retrieve()
    except (ValueError, configparser.Error):
        pass
    else:
        return from_file
    if any(os.environ.get(name) for name in _OWN_IDENTITY):
        return IamAwsProvider()
    raise ConfigurationError(
        "no S3 credentials: set AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY or AWS_PROFILE (of ~/.aws/credentials)"
    )


def _profile_region() -> str | None:
    profile = os.environ.get("AWS_PROFILE", "default")
    parser = configparser.ConfigParser()
    try:
        parser.read(os.environ.get("AWS_CONFIG_FILE") or Path.home() / ".aws" / "config")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"~/.aws/config: not readable ({type(error).__name__}); mend it or set AWS_REGION"
        ) from error
    section = profile if profile == "default" else f"profile {profile}"
    return parser.get(section, "region", fallback=None)


def _pool(endpoint: str) -> urllib3.PoolManager:
    url = urlsplit(endpoint)
    proxy = urllib.request.getproxies().get(url.scheme)
    manager: Callable[..., urllib3.PoolManager] = urllib3.PoolManager
    if proxy and not urllib.request.proxy_bypass(url.netloc):
        manager = partial(urllib3.ProxyManager, proxy)
    return manager(
        maxsize=CONNECTIONS,
        block=True,
        timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        retries=False,  # what is worth a retry is decided once, in s3_retry.py
        cert_reqs="CERT_REQUIRED",
        ca_certs=os.environ.get("AWS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or certifi.where(),
    )
