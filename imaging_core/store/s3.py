"""The S3 store: one PUT makes every write whole or absent."""

import hashlib
import io
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from imaging_core.errors import MissingError, TemporaryError, TooLargeError
from imaging_core.store.location import Location
from imaging_core.store.s3_client import client
from imaging_core.store.s3_retry import retrying

RANGE_BYTES = 16 * 1024 * 1024
"""Objects are spooled to the disk in ranges of this length."""

LARGEST_PUT = 5 * 1024 * 1024 * 1024
"""The most that S3 takes in one PUT. Only longer objects travel as multipart uploads, since one that a kill breaks off
stays in the bucket, unseen and paid for."""

BLOCK_BYTES = 1024 * 1024
_MD5_HEX = 32


class S3Source:
    """One object of a bucket. Its location's host is the bucket, its path the key."""

    def __init__(self, location: Location) -> None:
        self.location = location

    def size(self) -> int:
        """Length in bytes (one HEAD request)."""
        return retrying(self.location, lambda: _length(self.location))

    def bytes(self, most: int | None = None) -> bytes:
        """The whole object; its length, and its ETag where that is an MD5, are checked.

        TooLargeError, before anything is read, when it is longer than ``most`` bytes.
        """
        return retrying(self.location, lambda: _get(self.location, most=most))

    def open(self) -> BinaryIO:
        """A seekable file that fetches the blocks that are read."""
        return io.BufferedReader(_RangedFile(self.location, self.size()), BLOCK_BYTES)

    @contextmanager
    def path(self) -> Iterator[Path]:
        """The object spooled to a temporary file, removed when the context ends."""
        with tempfile.NamedTemporaryFile(suffix=self.location.suffix) as file:
            for offset in range(0, self.size(), RANGE_BYTES):
                file.write(_get_range(self.location, offset, RANGE_BYTES))
            file.flush()
            yield Path(file.name)


class _RangedFile(io.RawIOBase):
    """A raw seekable file over ranged GET requests."""

    def __init__(self, location: Location, size: int) -> None:
        self._location = location
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        length = min(len(buffer), self._size - self._at)
        if length <= 0:
            return 0
        data = _get_range(self._location, self._at, length)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class S3Store:
    """The objects of a bucket whose keys start with one prefix."""

    def __init__(self, root: Location) -> None:
        client()  # what it takes to reach a server is told to be missing now, not in the middle of the work
        self.root = root

    def get(self, key: str) -> bytes:
        """The object's bytes."""
        return S3Source(self.root.join(key)).bytes()

    def put(self, key: str, data: bytes) -> None:
        """Write an object by one PUT, which leaves nothing behind when it is broken off."""
        location = self.root.join(key)
        retrying(location, lambda: self._put(location, data))

    def exists(self, key: str) -> bool:
        """Whether the object is there."""
        try:
            S3Source(self.root.join(key)).size()
        except MissingError:
            return False
        return True

    def list(self, prefix: str = "") -> Iterator[str]:
        """The keys below a folder, sorted."""
        start = _below(self.root)
        names = retrying(self.root, lambda: [name for name, _ in _objects(self.root, start + prefix, recursive=True)])
        yield from sorted(name[len(start) :] for name in names)

    def delete(self, key: str) -> None:
        """Remove the object, if there is one."""
        location = self.root.join(key)
        retrying(location, lambda: client().remove_object(location.host, location.key))

    def sweep(self) -> None:
        """A server keeps nothing of a PUT that was broken off."""

    def _put(self, location: Location, data: bytes) -> None:
        client().put_object(location.host, location.key, io.BytesIO(data), len(data), part_size=LARGEST_PUT)


def s3_sizes(locations: Iterable[Location]) -> dict[Location, int]:
    """Sizes in bytes of the objects that are there; each folder is listed once, however many locations it holds."""
    by_folder: dict[Location, set[Location]] = {}
    for location in locations:
        by_folder.setdefault(location.parent, set()).add(location)
    sizes: dict[Location, int] = {}
    for folder, members in by_folder.items():
        for name, size in retrying(folder, partial(_objects, folder, _below(folder), recursive=False)):
            location = Location(folder.scheme, folder.host, "/" + name)
            if location in members:
                sizes[location] = size
    return sizes


def _length(location: Location) -> int:
    size = client().stat_object(location.host, location.key).size
    if size is None:
        raise TemporaryError(f"{location}: the S3 server names no length; try again")
    return size


def _get_range(location: Location, offset: int, length: int) -> bytes:
    return retrying(location, lambda: _get(location, offset, length))


def _get(location: Location, offset: int = 0, length: int | None = None, most: int | None = None) -> bytes:
    response = client().get_object(location.host, location.key, offset, length or 0)
    announced = response.headers.get("Content-Length")
    with closing(response):
        if most is not None and announced is not None and int(announced) > most:
            raise TooLargeError(f"{location}: {announced} bytes, more than the {most} allowed")
        data: bytes = response.read()
        response.release_conn()
    if announced is not None and len(data) != int(announced):
        raise TemporaryError(f"{location}: {len(data)} of {announced} bytes arrived; try again")
    etag = response.headers.get("ETag", "").strip('"')
    if length is None and len(etag) == _MD5_HEX and "x-amz-server-side-encryption" not in response.headers:
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if digest != etag.lower():
            raise TemporaryError(f"{location}: the bytes do not fit the object's ETag; try again")
    return data


def _objects(within: Location, prefix: str, *, recursive: bool) -> list[tuple[str, int]]:
    listed = client().list_objects(within.host, prefix, recursive=recursive)
    return [(each.object_name, each.size) for each in listed if each.object_name and each.size is not None]


def _below(folder: Location) -> str:
    return folder.key.rstrip("/") + "/" if folder.key else ""
