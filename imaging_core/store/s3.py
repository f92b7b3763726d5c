"""The S3 store: one PUT, or one completed upload of many parts, makes every write whole or absent."""

import hashlib
import io
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from minio.deleteobjects import DeleteObject

from imaging_core.errors import MissingError
from imaging_core.store.base import Data, Entry
from imaging_core.store.location import Location
from imaging_core.store.s3_client import client
from imaging_core.store.s3_read import SHA256, Download, first_bytes, open_ranges
from imaging_core.store.s3_retry import retrying
from imaging_core.store.s3_small import read_small
from imaging_core.store.s3_upload import upload

MOST_AT_ONCE = 1000
"""Objects that S3 removes with one request."""

LARGEST_PUT = 64 * 1024 * 1024
"""Only objects longer than this travel in parts: a broken PUT leaves nothing, a killed upload its parts for a while."""


class S3Source:
    """One object of a bucket. Its location's host is the bucket, its path the key."""

    def __init__(self, location: Location) -> None:
        self.location = location

    def size(self) -> int:
        """Length in bytes (one request)."""
        return first_bytes(self.location, 1)[1].size

    def bytes(self, most: int | None = None) -> bytes:
        """The whole object, checked: its length, and its SHA-256 where we wrote it or its ETag where that is an MD5.

        TooLargeError, before anything is read, when it is longer than ``most`` bytes.
        """
        data = read_small(self.location, most)
        if data is not None:
            return data
        file = io.BytesIO()
        Download(self.location, file, most).run()
        return file.getvalue()

    def open(self, most: int | None = None) -> BinaryIO:
        """A seekable file that fetches the blocks that are read; TemporaryError once the object was replaced."""
        return open_ranges(self.location, most)

    @contextmanager
    def path(self, most: int | None = None) -> Iterator[Path]:
        """The object in a temporary file, checked as :meth:`bytes` does, and removed when the context ends."""
        with tempfile.NamedTemporaryFile(suffix=self.location.suffix) as file:
            Download(self.location, file, most).run()
            file.flush()
            yield Path(file.name)


class S3Store:
    """The objects of a bucket whose keys start with one prefix."""

    def __init__(self, root: Location) -> None:
        self.root = root

    def get(self, key: str) -> bytes:
        """The object's bytes."""
        return S3Source(self.root.below(key)).bytes()

    def put(self, key: str, data: Data) -> None:
        """Write an object with its SHA-256: one PUT, or a multipart upload that is completed or aborted."""
        location = self.root.below(key)
        sha256 = hashlib.sha256(data).hexdigest()
        if len(data) > LARGEST_PUT:
            upload(location, data, sha256)
        else:
            retrying(location, lambda: _put(location, data, sha256))

    def exists(self, key: str) -> bool:
        """Whether the object is there."""
        try:
            S3Source(self.root.below(key)).size()
        except MissingError:
            return False
        return True

    def list(self, prefix: str = "") -> Iterator[str]:
        """The keys below a folder, sorted."""
        start = _below(self.root)
        yield from sorted(each.name[len(start) :] for each in _objects(self.root, start + prefix, recursive=True))

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """The objects below a folder with their sizes and times."""
        start = _below(self.root)
        for each in sorted(_objects(self.root, start + prefix, recursive=True), key=lambda each: each.name):
            yield Entry(each.name[len(start) :], each.size, each.modified)

    def folders(self) -> Iterator[str]:
        """The common prefixes directly below, without their slash; one listing that stops at slashes."""
        start = _below(self.root)

        def listed() -> list[str]:
            found = client().list_objects(self.root.host, start, recursive=False)
            return [str(each.object_name) for each in found if each.is_dir]

        names = retrying(self.root, listed)
        yield from sorted(name[len(start) :].rstrip("/") for name in names)

    def delete(self, key: str) -> None:
        """Remove the object, if there is one."""
        location = self.root.below(key)
        retrying(location, lambda: client().remove_object(location.host, location.key))

    def delete_all(self, keys: Iterable[str]) -> None:
        """Remove objects, a thousand with one request."""
        waiting = iter(keys)
        while batch := [DeleteObject(self.root.below(key).key) for key in islice(waiting, MOST_AT_ONCE)]:
            retrying(self.root, partial(_delete, self.root, batch))

    def sweep(self) -> None:
        """Whoever writes an object again aborts what was broken off of it."""


def s3_sizes(locations: Iterable[Location]) -> dict[Location, int]:
    """Sizes in bytes of the objects that are there; each folder is listed once, however many locations it holds."""
    by_folder: dict[Location, set[Location]] = {}
    for location in locations:
        by_folder.setdefault(location.parent, set()).add(location)
    sizes: dict[Location, int] = {}
    for folder, members in by_folder.items():
        for each in _objects(folder, _below(folder), recursive=False):
            location = Location(folder.scheme, folder.host, "/" + each.name)
            if location in members:
                sizes[location] = each.size
    return sizes


def _put(location: Location, data: Data, sha256: str) -> None:
    client().put_object(
        location.host, location.key, io.BytesIO(data), len(data), metadata={SHA256: sha256}, part_size=LARGEST_PUT
    )


class _Listed(NamedTuple):
    name: str
    size: int
    modified: datetime


def _objects(within: Location, prefix: str, *, recursive: bool) -> list[_Listed]:
    """What is there; a listing of many pages that breaks off goes on after the last name that came."""
    found: list[_Listed] = []

    def go_on() -> None:
        after = found[-1].name if found else None
        listed = client().list_objects(within.host, prefix, recursive=recursive, start_after=after)
        found.extend(
            _Listed(each.object_name, each.size, each.last_modified)
            for each in listed
            if each.object_name and each.size is not None and each.last_modified is not None
        )

    retrying(within, go_on, lambda: len(found))
    return found


def _delete(within: Location, batch: list[DeleteObject]) -> None:
    """Remove a batch; one that the server does not remove with it is asked for alone, and says why."""
    for refused in list(client().remove_objects(within.host, batch)):
        client().remove_object(within.host, refused.name or "")


def _below(folder: Location) -> str:
    return folder.key.rstrip("/") + "/" if folder.key else ""
