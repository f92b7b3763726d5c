"""Reading S3 objects: whole ones go on where they broke off and are checked, ranges are all of one version."""

import hashlib
import io
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, BinaryIO

from minio.error import S3Error
from urllib3 import BaseHTTPResponse

from imaging_core.errors import DamagedError, TemporaryError, TooLargeError
from imaging_core.store.connection import released
from imaging_core.store.location import Location
from imaging_core.store.retry import TRY_AGAIN
from imaging_core.store.s3_client import client
from imaging_core.store.s3_retry import retrying

SHA256 = "sha256"
"""User metadata of what this project writes: the SHA-256 of the object, hexadecimal."""

ATTEMPT_SECONDS = 900
"""One attempt at a whole object takes no longer, however slowly its bytes drip in."""

CHUNK_BYTES = 256 * 1024
BLOCK_BYTES = 1024 * 1024
MISFITS = 3
"""An object whose bytes so often do not fit its checksum is damaged."""

MD5 = re.compile(r"[0-9a-fA-F]{32}")
"""ETags that are one, of objects that are not encrypted."""

_PARTIAL, _PRECONDITION_FAILED = 206, 412


@dataclass(frozen=True, slots=True)
class Head:
    """What the server says of an object.

    Attributes:
        size: in bytes.
        etag: names this version of it.
        sha256: of its bytes, where this project wrote it; else None.
        md5: of its bytes, where the ETag is one: not of multipart uploads, not of encrypted objects; else None.
    """

    size: int
    etag: str
    sha256: str | None
    md5: str | None

    @classmethod
    def of(cls, location: Location, headers: Mapping[str, str]) -> "Head":
        """Read the headers of an answer; TemporaryError when they name no length."""
        names = {name.lower(): value for name, value in headers.items()}
        size = names.get("content-range", "").rpartition("/")[2] or names.get("content-length", "")
        if not size.isdigit():
            raise TemporaryError(f"{location}: the S3 server names no length{TRY_AGAIN}")
        etag = names.get("etag", "").strip('"')
        is_md5 = MD5.fullmatch(etag) and not any(name.startswith("x-amz-server-side-encryption") for name in names)
        return cls(int(size), etag, names.get(f"x-amz-meta-{SHA256}"), etag.lower() if is_md5 else None)


class Download:
    """One object on its way into a file that is empty now.

    An attempt that breaks off is followed by one that asks for the rest of the same version; when the object was
    replaced meanwhile, all of it is read again. Memory holds one chunk of it.
    """

    def __init__(self, location: Location, file: IO[bytes], most: int | None = None) -> None:
        self._location, self._file, self._most = location, file, most
        self._farthest = 0
        self._reset()

    def run(self) -> None:
        """Read all of it.

        Raises:
            TooLargeError: it is longer than ``most`` bytes; nothing was read.
            DamagedError: its bytes do not fit its SHA-256, or its ETag where that is an MD5.
        """
        for _ in range(MISFITS):
            retrying(self._location, self._attempt, lambda: self._farthest // BLOCK_BYTES)
            if self._fits():
                return
            self._reset()
        raise DamagedError(f"{self._location}: damaged: its bytes do not fit their checksum; upload it again")

    def _reset(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._head: Head | None = None
        self._at = 0
        self._sha256, self._md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)

    def _attempt(self) -> None:
        try:
            if self._head is None or self._at < self._head.size:
                self._read()
        except S3Error as error:
            if error.response.status != _PRECONDITION_FAILED:
                raise
            self._reset()
            raise TemporaryError(f"{self._location}: was replaced while it was read{TRY_AGAIN}") from error
        if self._head is None or self._at != self._head.size:
            size = self._head and self._head.size
            raise TemporaryError(f"{self._location}: {self._at} of {size} bytes arrived{TRY_AGAIN}")

    def _read(self) -> None:
        response = _ask(self._location, self._at, None, self._head)
        with released(response):
            if self._head is None:
                self._head = Head.of(self._location, response.headers)
                if self._most is not None and self._head.size > self._most:
                    raise TooLargeError(
                        f"{self._location}: {self._head.size} bytes, more than the {self._most} allowed"
                    )
            deadline = time.monotonic() + ATTEMPT_SECONDS
            while chunk := response.read1(CHUNK_BYTES, decode_content=False):
                self._take(chunk)
                if time.monotonic() > deadline:
                    raise TemporaryError(f"{self._location}: not read within {ATTEMPT_SECONDS} s{TRY_AGAIN}")

    def _take(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._at += len(chunk)
        self._farthest = max(self._farthest, self._at)
        if self._head is not None and self._head.sha256:
            self._sha256.update(chunk)
        elif self._head is not None and self._head.md5:
            self._md5.update(chunk)

    def _fits(self) -> bool:
        if self._head is None or not (wanted := self._head.sha256 or self._head.md5):
            return True
        found = self._sha256 if self._head.sha256 else self._md5
        return found.hexdigest() == wanted.lower()


def open_ranges(location: Location, most: int | None = None) -> BinaryIO:
    """A seekable file over ranged GET requests, all of the version that was there first.

    Raises:
        TooLargeError: it is longer than ``most`` bytes. Reading from it: ChangedError once another version is there.
    """
    return io.BufferedReader(_RangedFile(location, most), BLOCK_BYTES)


class _RangedFile(io.RawIOBase):
    def __init__(self, location: Location, most: int | None = None) -> None:
        self._location = location
        self._first, self._head = first_bytes(location, BLOCK_BYTES)
        self._at = 0
        if most is not None and self._head.size > most:
            raise TooLargeError(f"{location}: {self._head.size} bytes, more than the {most} allowed")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._head.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        length = min(len(buffer), self._head.size - self._at)
        if length <= 0:
            return 0
        if self._at < len(self._first):
            data = self._first[self._at : self._at + length]
        else:
            data = retrying(self._location, lambda: _range(self._location, self._at, length, self._head))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def first_bytes(location: Location, length: int) -> tuple[bytes, Head]:
    """The first ``length`` bytes of an object, or all of a shorter one, and what the server says of it.

    A GET, since the answer to a HEAD does not say what is wrong.
    """
    return retrying(location, lambda: _first(location, length))


def _first(location: Location, length: int) -> tuple[bytes, Head]:
    try:
        response = _ask(location, 0, length, None)
    except S3Error as error:
        if error.code != "InvalidRange":  # what servers say of an empty object
            raise
        return b"", Head(0, "", None, None)
    with released(response):
        head = Head.of(location, response.headers)
        return _exactly(location, response, min(length, head.size)), head


def _range(location: Location, offset: int, length: int, head: Head) -> bytes:
    response = _ask(location, offset, length, head)
    with released(response):
        return _exactly(location, response, length)


def _ask(location: Location, offset: int, length: int | None, version: Head | None) -> BaseHTTPResponse:
    headers: dict[str, str | list[str] | tuple[str]] = {}
    if version is not None and version.etag:
        headers["If-Match"] = f'"{version.etag}"'
    response = client().get_object(location.host, location.key, offset, length or 0, request_headers=headers)
    if offset and response.status != _PARTIAL:
        with released(response):
            raise TemporaryError(f"{location}: the S3 server gave other bytes than those asked for{TRY_AGAIN}")
    return response


def _exactly(location: Location, response: BaseHTTPResponse, length: int) -> bytes:
    data: bytes = response.read(length, decode_content=False)
    if len(data) != length:
        raise TemporaryError(f"{location}: {len(data)} of {length} bytes arrived{TRY_AGAIN}")
    return data
