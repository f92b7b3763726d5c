"""Small S3 objects read whole by obstore, which takes a third of the CPU time that the ``minio`` client takes.

It is an express way, never the only one. What it would not treat as :mod:`imaging_core.store.s3_client` does (proxies,
authorities of one's own, a bucket whose region is not known) and whatever goes wrong on it is left to
:class:`imaging_core.store.s3_read.Download`, which tries again and names what is wrong.
"""

import hashlib
import os
import threading
import time
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from minio import Minio
from minio.credentials.credentials import Credentials
from minio.helpers import check_bucket_name

from imaging_core.errors import MissingError, TooLargeError
from imaging_core.store.connection import proxy_for
from imaging_core.store.location import Location
from imaging_core.store.retry import answered
from imaging_core.store.s3_client import CONNECT_SECONDS, CONNECTIONS, READ_SECONDS, address, authorities, client
from imaging_core.store.s3_read import ATTEMPT_SECONDS, MD5, SHA256

if TYPE_CHECKING:  # imported by the first thread that reads: most commands never do
    from obstore.store import S3Credential, S3Store

LARGEST = 4 * 1024 * 1024
"""In bytes. What is longer is better taken in by chunks, and goes on where it breaks off."""

REST_SECONDS = 30.0
"""How long nothing is tried after a failure, or an object that is too long: neither an outage, nor a server that suits
the other client alone, nor a folder of large files is to cost two requests for each."""

_NO_SUCH_KEY = "<Code>NoSuchKey</Code>"


class _Runtime:
    """obstore's own threads: one, whatever the node's cores, and none in a child that a fork took them from."""

    def __init__(self) -> None:
        self._begun = self.lost = False
        os.register_at_fork(after_in_child=self._forked)

    def begin(self) -> None:
        """Called before obstore is first used."""
        os.environ.setdefault("TOKIO_WORKER_THREADS", "1")
        self._begun = True

    def _forked(self) -> None:
        self.lost = self._begun


_runtime = _Runtime()


def read_small(location: Location, most: int | None) -> bytes | None:
    """A whole object whose length and checksum are as they should be; None when it is to be read the other way.

    The main thread always gets None: a signal would wait there until the server has answered.

    Raises:
        MissingError: nothing is there.
        TooLargeError: it is longer than ``most`` bytes; nothing was read.
        ConfigurationError: as :func:`imaging_core.store.s3_client.client`.
    """
    if threading.current_thread() is threading.main_thread():
        return None
    return _express(client()).read(location, most)


class _Express:
    """What obstore gets from one client's server, by one pool of connections a bucket."""

    def __init__(self, of: Minio) -> None:
        self._client = of
        self._lock = threading.Lock()
        self._stores: dict[str, tuple[Credentials | None, S3Store]] = {}
        self._rests_until = 0.0 if _reaches(address()) and not _runtime.lost else float("inf")

    def read(self, location: Location, most: int | None) -> bytes | None:
        if time.monotonic() < self._rests_until:
            return None
        try:
            data = self._read(location, most)
        except FileNotFoundError as error:
            if _NO_SUCH_KEY not in str(error):  # it quotes the server's answer
                return None
            answered(location.store)
            raise MissingError(f"{location}: no such object") from error
        except (TooLargeError, MemoryError):
            raise
        except Exception:  # the other client finds out what it is, and says it
            data = None
        if data is None:
            self._rests_until = time.monotonic() + REST_SECONDS
        else:
            answered(location.store)
        return data

    def _read(self, location: Location, most: int | None) -> bytes | None:
        from obstore import get

        found = get(self._store(location.host), location.key)
        size = found.meta["size"]
        if most is not None and size > most:
            raise TooLargeError(f"{location}: {size} bytes, more than the {most} allowed")
        if size > LARGEST:
            return None
        data = bytes(found.bytes())
        sound = len(data) == size and _fits(data, found.attributes.get(SHA256), found.meta["e_tag"] or "")
        return data if sound else None

    def _store(self, bucket: str) -> "S3Store":
        """The bucket, with the keys that requests are to be signed with now."""
        provider = self._client._provider
        keys = None if provider is None else provider.retrieve()
        with self._lock:
            known = self._stores.get(bucket)
            if known is None or known[0] != keys:
                known = self._stores[bucket] = keys, self._open(bucket, keys)
        return known[1]

    def _open(self, bucket: str, keys: Credentials | None) -> "S3Store":
        """The bucket where the ``minio`` client finds it; ValueError when its name or its region cannot be used."""
        server = self._client._base_url
        check_bucket_name(bucket, s3_check=server.is_aws_host)
        if not server.region:
            raise ValueError("the region would have to be asked for")
        url = server.build(method="GET", region=server.region, bucket_name=bucket)
        _runtime.begin()
        from obstore.store import S3Store

        return S3Store(
            bucket,
            config={
                "aws_endpoint_url_s3": f"{url.scheme}://{url.netloc}",
                "region": server.region,
                "virtual_hosted_style_request": url.path == "/",
                "skip_signature": keys is None,
                "s3_express": False,
            },
            credential_provider=None if keys is None else lambda: _credential(keys),
            client_options={
                "allow_http": url.scheme == "http",
                "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
                "read_timeout": timedelta(seconds=READ_SECONDS),
                "timeout": timedelta(seconds=ATTEMPT_SECONDS),
                "pool_max_idle_per_host": str(CONNECTIONS),
                "proxy_url": url.geturl(),  # none, whatever the environment says: proxy_for has read it
                "proxy_excludes": url.hostname or "",
            },
            retry_config={"max_retries": 0},  # what is worth a retry is decided once, in retry.py
        )


_express = lru_cache(maxsize=1)(_Express)


def _reaches(url: str) -> bool:
    """Whether obstore would go there straight, and trust whom the other client trusts: it reads SSL_CERT_FILE too."""
    trusts_the_same = url.startswith("http://") or authorities() in (None, os.environ.get("SSL_CERT_FILE"))
    return trusts_the_same and proxy_for(url) is None


def _credential(keys: Credentials) -> "S3Credential":
    """As obstore wants it; when it expires, :meth:`_Express._store` opens the bucket with its successor."""
    return {
        "access_key_id": keys.access_key,
        "secret_access_key": keys.secret_key,
        "token": keys.session_token,
        "expires_at": None,
    }


def _fits(data: bytes, sha256: str | None, etag: str) -> bool:
    if sha256 is not None:
        return hashlib.sha256(data).hexdigest() == sha256.lower()
    md5 = MD5.fullmatch(etag.strip('"'))
    return md5 is None or hashlib.md5(data, usedforsecurity=False).hexdigest() == md5[0].lower()
