"""Reading from http and https: time-outs on everything, redirects within one host only, lengths checked.

Proxies come from HTTPS_PROXY, HTTP_PROXY and NO_PROXY; certificate authorities are the system's (SSL_CERT_FILE). Which
hosts may be asked at all is the dataset's affair (``--allow-http``). Queries of a location, which may hold signatures,
never appear in messages.
"""

import io
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO
from urllib.parse import quote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from imaging_core.errors import ConfigurationError, DataError, MissingError, TemporaryError, TooLargeError
from imaging_core.store.location import Location

if TYPE_CHECKING:  # urllib3 is imported when the first request is made: most runs make none
    from urllib3 import BaseHTTPResponse, PoolManager

CONNECT_SECONDS, READ_SECONDS, OBJECT_SECONDS = 10.0, 30.0, 900.0
ATTEMPTS, REDIRECTS = 4, 5
PAUSE_SECONDS = 0.4
"""Before the second attempt, at most; twice as long before each further one."""

_CHUNK = 1024 * 1024
_TEMPORARY = {408, 425, 429, 500, 502, 503, 504}
_DENIED = {401, 403, 407}
_GONE = {404, 410}
_MOVED = {301, 302, 303, 307, 308}

_File = IO[bytes]


class HttpSource:
    """One object behind http or https."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self._shown = f"{location.scheme}://{location.host}{location.path}"

    def size(self) -> int:
        """Length in bytes, as the server states it; DataError when it does not."""
        with self._asked("HEAD") as response:
            length = response.headers.get("Content-Length", "")
        if not length.isdigit():
            raise DataError(f"{self._shown}: the server does not say how long it is")
        return int(length)

    def bytes(self, most: int | None = None) -> bytes:
        """The whole object; TooLargeError as soon as it is known to be longer than ``most`` bytes."""
        file = io.BytesIO()
        self._read_into(file, most)
        return file.getvalue()

    def open(self) -> BinaryIO:
        """The whole object in a temporary file: not every server gives ranges."""
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        self._read_into(file, None)
        file.seek(0)
        return file

    @contextmanager
    def path(self) -> Iterator[Path]:
        """A temporary file with the same ending; removed when the context ends."""
        with tempfile.NamedTemporaryFile(suffix=self.location.suffix) as file:
            self._read_into(file, None)
            file.flush()
            yield Path(file.name)

    def _read_into(self, file: _File, most: int | None) -> None:
        from urllib3.exceptions import HTTPError

        for attempt in range(1, ATTEMPTS + 1):
            file.seek(0)
            file.truncate()
            try:
                with self._asked("GET") as response:
                    return self._copy(response, file, most)
            except HTTPError as error:
                self._pause_or_raise(attempt, f"broke off ({type(error).__name__})", error)
        return None

    def _copy(self, response: "BaseHTTPResponse", file: _File, most: int | None) -> None:
        deadline = time.monotonic() + OBJECT_SECONDS
        length = 0
        stated = response.headers.get("Content-Length", "")
        for chunk in response.stream(_CHUNK, decode_content=False):
            length += len(chunk)
            if most is not None and max(length, int(stated) if stated.isdigit() else 0) > most:
                raise TooLargeError(f"{self._shown}: longer than the {most} bytes allowed")
            if time.monotonic() > deadline:
                raise TemporaryError(f"{self._shown}: not read within {OBJECT_SECONDS:.0f} s")
            file.write(chunk)

    @contextmanager
    def _asked(self, method: str) -> Iterator["BaseHTTPResponse"]:
        response = self._answer(method)
        try:
            yield response
        finally:
            response.close()
            response.release_conn()

    def _answer(self, method: str) -> "BaseHTTPResponse":
        from urllib3.exceptions import HTTPError

        attempt = 1
        while True:
            try:
                response = self._follow(method)
            except HTTPError as error:
                self._pause_or_raise(attempt, f"no answer ({type(error).__name__})", error)
            else:
                if response.status in (200, 206):
                    return response
                response.close()
                response.release_conn()
                self._refuse(response.status, attempt)
            attempt += 1

    def _follow(self, method: str) -> "BaseHTTPResponse":
        query = f"?{self.location.query}" if self.location.query else ""
        url = f"{self.location.scheme}://{self.location.host}{quote(self.location.path)}{query}"
        for _ in range(REDIRECTS + 1):
            response = _pool(*_proxy(url)).request(
                method,
                url,
                redirect=False,
                retries=False,
                preload_content=False,
                headers={"Accept-Encoding": "identity", "User-Agent": "imaging-core"},
            )
            if response.status not in _MOVED:
                return response
            target = urljoin(url, response.headers.get("Location", ""))
            response.close()
            response.release_conn()
            if not _same_server(url, target):
                raise DataError(f"{self._shown}: redirects to another host, {urlsplit(target).netloc!r}: refused")
            url = target
        raise DataError(f"{self._shown}: more than {REDIRECTS} redirects")

    def _refuse(self, status: int, attempt: int) -> None:
        if status in _GONE:
            raise MissingError(f"{self._shown}: not there (HTTP {status})")
        if status in _DENIED:
            raise ConfigurationError(f"{self._shown}: access denied (HTTP {status})")
        if status not in _TEMPORARY:
            raise DataError(f"{self._shown}: the server answers HTTP {status}")
        self._pause_or_raise(attempt, f"the server answers HTTP {status}", None)

    def _pause_or_raise(self, attempt: int, what: str, cause: Exception | None) -> None:
        if attempt >= ATTEMPTS:
            raise TemporaryError(f"{self._shown}: {what}, {ATTEMPTS} times") from cause
        time.sleep(random.uniform(0.5, 1.0) * PAUSE_SECONDS * 2 ** (attempt - 1))


def _same_server(url: str, target: str) -> bool:
    """Whether a redirect stays on its host and port; from http to https it may change the default port."""
    old, new = urlsplit(url), urlsplit(target)
    if new.username is not None or new.password is not None:
        return False
    upgrade = (old.scheme, new.scheme) == ("http", "https") and old.port is None and new.port is None
    return old.hostname == new.hostname and (upgrade or (old.scheme, old.port) == (new.scheme, new.port))


def _proxy(url: str) -> tuple[str | None]:
    parts = urlsplit(url)
    if proxy_bypass(parts.hostname or ""):
        return (None,)
    return (getproxies().get(parts.scheme),)


@cache
def _pool(proxy: str | None) -> "PoolManager":
    from urllib3 import PoolManager, ProxyManager, Timeout

    timeout = Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
    if proxy is None:
        return PoolManager(maxsize=64, timeout=timeout)
    return ProxyManager(proxy if "://" in proxy else f"http://{proxy}", maxsize=64, timeout=timeout)
