"""Small S3 objects read whole by libcurl, many at once by one thread: a fifth of the ``minio`` client's CPU time.

It is an express way, never the only one. Whatever goes wrong on it, and everything where a proxy applies, is left to
:class:`imaging_core.store.s3_read.Download`, which tries again and names what is wrong.
"""

import hashlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import certifi
from minio import Minio
from minio.credentials.credentials import Credentials
from minio.helpers import check_bucket_name, quote

from imaging_core.errors import DataError, MissingError, TemporaryError, TooLargeError
from imaging_core.store.base import AT_ONCE
from imaging_core.store.connection import proxy_for
from imaging_core.store.location import Location
from imaging_core.store.retry import answered
from imaging_core.store.s3_client import CONNECT_SECONDS, READ_SECONDS, address, authorities, client
from imaging_core.store.s3_read import ATTEMPT_SECONDS, SHA256, Head

if TYPE_CHECKING:  # imported by the first thread that reads: most commands never do
    from pycurl import Curl, CurlMulti

LARGEST = 4 * 1024 * 1024
"""In bytes. What is longer is better taken in by chunks, and goes on where it breaks off."""

REST_SECONDS = 30.0
"""How long nothing is tried after a failure, or an object that is too long: neither an outage, nor a server that suits
the other client alone, nor a folder of large files is to cost two requests for each."""

_OK, _NOT_FOUND = b"200", b"404"
_NO_SUCH_KEY = b"<Code>NoSuchKey</Code>"
_HEADERS = (b"content-length:", b"etag:", f"x-amz-meta-{SHA256}:".encode(), b"x-amz-server-side-encryption")
_LOOK_SECONDS = 1.0
_PAUSE_SECONDS = 0.001
"""Where there is nothing to wait for yet, as while a name is resolved."""


def read_small(location: Location, most: int | None) -> bytes | None:
    """A whole object whose length and checksum are as they should be; None when it is to be read the other way.

    The main thread always gets None: a signal would wait there until the server has answered.

    Raises:
        MissingError: nothing is there.
        TooLargeError: it is longer than ``most`` bytes; nothing was read.
        ConfigurationError: as :func:`imaging_core.store.s3_client.client`.
    """
    reading = begin([location], most)
    if reading is None:
        return None
    (found,) = reading.wait()
    if isinstance(found, DataError):
        raise found
    return found


def read_many(locations: Sequence[Location], most: int | None) -> Callable[[], list[bytes | None]] | None:
    """As :func:`imaging_core.store.read_together`."""
    reading = begin(locations, most)
    if reading is None:
        return None
    return lambda: [each if isinstance(each, bytes) else None for each in reading.wait()]


def begin(locations: Sequence[Location], most: int | None) -> "Reading | None":
    """Ask for several objects; None when they are to be read the other way, as by the main thread.

    Raises:
        ConfigurationError: as :func:`imaging_core.store.s3_client.client`.
    """
    if threading.current_thread() is threading.main_thread():
        return None
    return _express(client()).begin(locations, most)


class Reading:
    """Objects that were asked for. What has arrived is in the system's buffers, also while nobody waits.

    Of the thread that has begun it.
    """

    def __init__(self, express: "_Express", line: "_Line", objects: "list[_Object]") -> None:
        self._express, self._line, self._objects = express, line, objects

    def wait(self) -> list[bytes | DataError | None]:
        """Of each object, in their order, its bytes, what is wrong with it, or None: read that the other way."""
        try:
            self._line.finish(self._objects)
        except Exception as error:
            self._express.give_up(error)
        found = [each.found for each in self._objects]
        if None in found:
            self._express.rest()
        for store in {each.location.store for each in self._objects if each.found is not None}:
            answered(store)
        return found


class _Express:
    """What libcurl gets from one client's server; each thread has connections of its own."""

    def __init__(self, of: Minio) -> None:
        self._client = of
        self._local = threading.local()
        self._buckets: dict[str, str] = {}
        self._rests_until = 0.0 if proxy_for(address()) is None else float("inf")

    def begin(self, locations: Sequence[Location], most: int | None) -> Reading | None:
        if time.monotonic() < self._rests_until:
            return None
        provider = self._client._provider
        keys = None if provider is None else provider.retrieve()
        try:
            objects = [_Object(location, self._url(location), most) for location in locations]
            line = self._line()
            line.begin(objects, keys)
        except Exception as error:  # the other client finds out what it is, and says it
            self.give_up(error)
            return None
        return Reading(self, line, objects)

    def give_up(self, error: Exception) -> None:
        """This thread's connections are no more to be used, nor others for a while; MemoryError is raised again."""
        self._local.__dict__.clear()
        if isinstance(error, MemoryError):
            raise error
        self.rest()

    def rest(self) -> None:
        """Leave everything to the other client for a while."""
        self._rests_until = time.monotonic() + REST_SECONDS

    def _url(self, location: Location) -> str:
        return f"{self._bucket(location.host)}/{quote(location.key)}"

    def _bucket(self, name: str) -> str:
        """The bucket's address where the ``minio`` client finds it; ValueError when it has none."""
        if name not in self._buckets:
            server = self._client._base_url
            check_bucket_name(name, s3_check=server.is_aws_host)
            if not server.region:
                raise ValueError("the region would have to be asked for")
            url = server.build(method="GET", region=server.region, bucket_name=name)
            self._buckets[name] = url.geturl().rstrip("/")
        return self._buckets[name]

    def _line(self) -> "_Line":
        line: _Line | None = getattr(self._local, "line", None)
        if line is None:
            line = self._local.line = _Line(str(self._client._base_url.region))
        return line


_express = lru_cache(maxsize=1)(_Express)


_lines: "WeakSet[_Line]" = WeakSet()
_held: "list[_Line]" = []
_lock = threading.Lock()


def _hold() -> None:
    """A child never closes connections that are its parent's: that would be told to the server."""
    with _lock:
        _held.extend(_lines)


os.register_at_fork(before=_hold, after_in_parent=_held.clear)


class _Object:
    """One object on its way, and at last what was ``found``: its bytes, what is wrong, or None."""

    def __init__(self, location: Location, url: str, most: int | None) -> None:
        self.location, self.url = location, url
        self.found: bytes | DataError | None = None
        self.ended = False
        self.lines: list[bytes] = []
        self._chunks: list[bytes] = []
        self._most = most
        self._head: Head | None = None

    def take(self, chunk: bytes) -> int | None:
        """A part of the body; 0 breaks off what is longer than it may be."""
        try:
            if not self._chunks and self._status == _OK and self._is_too_long():
                return 0
            self._chunks.append(chunk)
        except MemoryError:  # libcurl would print it; the other client meets it, or finds more
            return 0
        return None

    def end(self, *, whole: bool) -> None:
        """The server has answered, or the connection broke."""
        self.ended = True
        if self.found is not None or not whole:
            return
        data = b"".join(self._chunks)
        self._chunks.clear()
        if self._status == _NOT_FOUND and _NO_SUCH_KEY in data:
            self.found = MissingError(f"{self.location}: no such object")
        elif self._status == _OK and not self._is_too_long() and self._fits(data):
            self.found = data

    @property
    def _status(self) -> bytes:
        return self.lines[0].split()[1]

    def _is_too_long(self) -> bool:
        if self._head is None:
            said = [line for line in self.lines if line.lower().startswith(_HEADERS)]
            pairs = [line.decode("latin-1").partition(":") for line in said]
            try:
                self._head = Head.of(self.location, {name: value.strip() for name, _, value in pairs})
            except TemporaryError:  # it names no length
                return True
        size = self._head.size
        if self._most is not None and size > self._most:
            self.found = TooLargeError(f"{self.location}: {size} bytes, more than the {self._most} allowed")
        return self.found is not None or size > LARGEST

    def _fits(self, data: bytes) -> bool:
        head = self._head
        if head is None or len(data) != head.size:
            return False
        if head.sha256 is not None:
            return hashlib.sha256(data).hexdigest() == head.sha256.lower()
        return head.md5 is None or hashlib.md5(data, usedforsecurity=False).hexdigest() == head.md5


class _Line:
    """The connections of one thread, and how many objects wait for one of them."""

    def __init__(self, region: str) -> None:
        import pycurl

        self._curl: Any = pycurl
        self._region = region
        self._multi: CurlMulti = pycurl.CurlMulti()
        self._free: list[Curl] = []
        self._waiting: deque[tuple[_Object, Credentials | None]] = deque()
        self._under_way: dict[Curl, _Object] = {}
        with _lock:
            _lines.add(self)

    def begin(self, objects: Sequence[_Object], keys: Credentials | None) -> None:
        self._waiting.extend((each, keys) for each in objects)
        self._ask()
        self._multi.perform()

    def finish(self, objects: Sequence[_Object]) -> None:
        """Go on until all of these have ended."""
        multi = self._multi
        while not all(each.ended for each in objects):
            if not self._end_what_has() and multi.select(_LOOK_SECONDS) < 1:
                time.sleep(_PAUSE_SECONDS)
            self._ask()
            multi.perform()

    def _ask(self) -> None:
        while self._waiting and len(self._under_way) < AT_ONCE:
            curl = self._free.pop() if self._free else self._make()
            each, keys = self._waiting.popleft()
            self._sign(curl, keys)
            curl.setopt(self._curl.URL, each.url)
            curl.setopt(self._curl.HEADERFUNCTION, each.lines.append)
            curl.setopt(self._curl.WRITEFUNCTION, each.take)
            self._under_way[curl] = each
            self._multi.add_handle(curl)

    def _end_what_has(self) -> bool:
        """Whether any transfer has ended."""
        _, well, badly = self._multi.info_read()
        for curl, whole in [*((each, True) for each in well), *((each, False) for each, _, _ in badly)]:
            self._multi.remove_handle(curl)
            self._under_way.pop(curl).end(whole=whole)
            self._free.append(curl)
        return bool(well or badly)

    def _sign(self, curl: "Curl", keys: Credentials | None) -> None:
        if keys is None:
            return
        curl.setopt(self._curl.AWS_SIGV4, f"aws:amz:{self._region}:s3")
        curl.setopt(self._curl.USERNAME, keys.access_key)
        curl.setopt(self._curl.PASSWORD, keys.secret_key)
        token = keys.session_token
        curl.setopt(self._curl.HTTPHEADER, [f"x-amz-security-token: {token}"] if token else [])

    def _make(self) -> "Curl":
        of = self._curl
        curl: Curl = of.Curl()
        for option, value in {
            of.NOSIGNAL: 1,
            of.HTTP_VERSION: of.CURL_HTTP_VERSION_1_1,
            of.PROXY: "",  # none, whatever the environment says: proxy_for has read it
            of.CAINFO: authorities() or certifi.where(),
            of.CONNECTTIMEOUT: CONNECT_SECONDS,
            of.LOW_SPEED_LIMIT: 1,
            of.LOW_SPEED_TIME: READ_SECONDS,
            of.TIMEOUT: ATTEMPT_SECONDS,
        }.items():
            curl.setopt(option, value)
        return curl
