"""Reading from http and https: time-outs on everything, redirects within one host only, lengths checked.

Proxies come from HTTPS_PROXY, HTTP_PROXY and NO_PROXY; certificate authorities are the system's (SSL_CERT_FILE). Which
hosts may be asked at all is the dataset's affair (``--allow-http``). Queries of a location, which may hold signatures,
never appear in messages.
"""

import io
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO
from urllib.parse import quote, urljoin, urlsplit

from imaging_core.errors import (
    ConfigurationError,
    DataError,
    DeniedError,
    InferenceError,
    MissingError,
    TemporaryError,
    TooLargeError,
)
from imaging_core.store.connection import pool, proxy_for, released, what_no_retry_mends
from imaging_core.store.location import Location
from imaging_core.store.retry import retrying

if TYPE_CHECKING:  # urllib3 is imported when the first request is made: most runs make none
    from urllib3 import BaseHTTPResponse, PoolManager

CONNECT_SECONDS, READ_SECONDS, OBJECT_SECONDS = 10.0, 30.0, 900.0
REDIRECTS = 5

_CHUNK = 256 * 1024
_TEMPORARY = {408, 425, 429, 500, 502, 503, 504}
_DENIED = {401, 403}
_GONE = {404, 410}
_MOVED = {301, 302, 303, 307, 308}
_PROXY_DENIES = 407

_File = IO[bytes]


class HttpSource:
    """One object behind http or https."""

    def __init__(self, location: Location) -> None:
        self.location = location

    def size(self) -> int:
        """Length in bytes, as the server states it; DataError when it does not."""
        length = retrying(self.location, self._stated_length)
        if not length.isdigit():
            raise DataError(f"{self.location.shown}: the server does not say how long it is")
        return int(length)

    def bytes(self, most: int | None = None) -> bytes:
        """The whole object; TooLargeError as soon as it is known to be longer than ``most`` bytes."""
        file = io.BytesIO()
        self._read_into(file, most)
        return file.getvalue()

    def open(self, most: int | None = None) -> BinaryIO:
        """The whole object in a temporary file: not every server gives ranges."""
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        self._read_into(file, most)
        file.seek(0)
        return file

    @contextmanager
    def path(self, most: int | None = None) -> Iterator[Path]:
        """A temporary file with the same ending; removed when the context ends."""
        with tempfile.NamedTemporaryFile(suffix=self.location.suffix) as file:
            self._read_into(file, most)
            file.flush()
            yield Path(file.name)

    def _stated_length(self) -> str:
        with self._asked("HEAD") as response:
            return response.headers.get("Content-Length", "")

    def _read_into(self, file: _File, most: int | None) -> None:
        retrying(self.location, lambda: self._copy(file, most))

    def _copy(self, file: _File, most: int | None) -> None:
        file.seek(0)
        file.truncate()
        deadline = time.monotonic() + OBJECT_SECONDS
        length = 0
        with self._asked("GET") as response:
            stated = response.headers.get("Content-Length", "")
            while chunk := response.read1(_CHUNK, decode_content=False):
                length += len(chunk)
                if most is not None and max(length, int(stated) if stated.isdigit() else 0) > most:
                    raise TooLargeError(f"{self.location.shown}: longer than the {most} bytes allowed")
                if time.monotonic() > deadline:
                    raise TemporaryError(f"{self.location.shown}: not read within {OBJECT_SECONDS:.0f} s")
                file.write(chunk)

    @contextmanager
    def _asked(self, method: str) -> Iterator["BaseHTTPResponse"]:
        from urllib3.exceptions import HTTPError

        try:
            with released(self._follow(method)) as response:
                if response.status not in (200, 206):
                    raise self._refusal(response.status)
                yield response
        except HTTPError as error:
            if what := what_no_retry_mends(error, "SSL_CERT_FILE"):
                raise ConfigurationError(f"{self.location.shown}: {what}") from error
            raise TemporaryError(
                f"{self.location.shown}: the server is not reached, or broke off ({type(error).__name__}); try again"
            ) from error

    def _follow(self, method: str) -> "BaseHTTPResponse":
        query = f"?{self.location.query}" if self.location.query else ""
        url = f"{self.location.scheme}://{self.location.host}{quote(self.location.path)}{query}"
        for _ in range(REDIRECTS + 1):
            response = _pool(proxy_for(url)).request(
                method,
                url,
                redirect=False,
                retries=False,
                preload_content=False,
                headers={"Accept-Encoding": "identity", "User-Agent": "imaging-core"},
            )
            if response.status not in _MOVED:
                return response
            with released(response):
                target = urljoin(url, response.headers.get("Location", ""))
            if not _same_server(url, target):
                raise DataError(
                    f"{self.location.shown}: redirects to another host, {urlsplit(target).netloc!r}: refused"
                )
            url = target
        raise DataError(f"{self.location.shown}: more than {REDIRECTS} redirects")

    def _refusal(self, status: int) -> InferenceError:
        where = self.location.shown
        if status in _GONE:
            return MissingError(f"{where}: not there (HTTP {status})")
        if status in _DENIED:
            return DeniedError(f"{where}: access denied (HTTP {status})")
        if status == _PROXY_DENIES:
            return ConfigurationError(f"{where}: the proxy wants a user and a password (HTTP {status}) in HTTPS_PROXY")
        if status in _TEMPORARY:
            return TemporaryError(f"{where}: the server answers HTTP {status}; try again")
        return DataError(f"{where}: the server answers HTTP {status}")


def _same_server(url: str, target: str) -> bool:
    """Whether a redirect stays on its host and port; from http to https it may change the default port."""
    old, new = urlsplit(url), urlsplit(target)
    if new.username is not None or new.password is not None:
        return False
    upgrade = (old.scheme, new.scheme) == ("http", "https") and old.port is None and new.port is None
    return old.hostname == new.hostname and (upgrade or (old.scheme, old.port) == (new.scheme, new.port))


@cache
def _pool(proxy: str | None) -> "PoolManager":
    from urllib3 import Timeout

    return pool(proxy, maxsize=64, timeout=Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS))
