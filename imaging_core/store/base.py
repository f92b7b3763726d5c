"""What every store offers: whole-or-absent objects under one prefix, and sources to decode from."""

import mmap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from imaging_core.store.location import Location

Data = bytes | mmap.mmap
"""What is written: a large file is mapped, so that it needs no memory."""

AT_ONCE = 32
"""Objects that one thread asks for at the same time."""


class Source(Protocol):
    """The bytes of one object, in the form that a decoder needs.

    Every method raises :class:`~imaging_core.errors.MissingError` when nothing is there,
    :class:`~imaging_core.errors.DeniedError` when access to it is denied,
    :class:`~imaging_core.errors.DamagedError` when its checksum says that it is not what was written,
    :class:`~imaging_core.errors.TooLargeError` when it is longer than ``most`` bytes,
    :class:`~imaging_core.errors.TemporaryError` when it does not come although others do; and of the store as a whole
    :class:`~imaging_core.errors.LostError` when nothing comes from it any more, and
    :class:`~imaging_core.errors.ConfigurationError` when it cannot be used.
    """

    @property
    def location(self) -> Location:
        """Where the bytes lie."""
        ...

    def size(self) -> int:
        """Length in bytes."""
        ...

    def bytes(self, most: int | None = None) -> bytes:
        """The whole object."""
        ...

    def open(self, most: int | None = None) -> BinaryIO:
        """A seekable binary file; reads fetch only the ranges asked for."""
        ...

    def path(self, most: int | None = None) -> AbstractContextManager[Path]:
        """A local file that is there until the context ends; a remote object is spooled, at most ``most`` bytes."""
        ...


class Reader(Protocol):
    """Objects under one prefix. Keys are relative, with ``/`` between their parts; one that leads out is refused."""

    @property
    def root(self) -> Location:
        """The prefix."""
        ...

    def get(self, key: str) -> bytes:
        """The object's bytes; MissingError when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One object in a listing.

    Attributes:
        size: in bytes.
        modified: when it was written, with its time zone.
    """

    key: str
    size: int
    modified: datetime


class Store(Reader, Protocol):
    """A reader that can also write, list and remove."""

    def put(self, key: str, data: Data) -> None:
        """Write an object, whole or not at all; what was there before is replaced."""
        ...

    def exists(self, key: str) -> bool:
        """Whether the object is there."""
        ...

    def list(self, prefix: str = "") -> Iterator[str]:
        """The keys that start with ``prefix`` (a folder, ending in ``/``, or empty), sorted."""
        ...

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """What :meth:`list` names, with sizes and times; on a disk a symbolic link is what it is, never followed."""
        ...

    def folders(self) -> Iterator[str]:
        """The names of the folders directly below the root, sorted; on a disk without symbolic links."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens when there is none."""
        ...

    def delete_all(self, keys: Iterable[str]) -> None:
        """Remove many objects with few requests, in their order; on a disk folders that become empty go, too."""
        ...

    def sweep(self) -> None:
        """Remove what writers that were killed have left; a write that is under way still comes to its end."""
        ...


class SizeLister(Protocol):
    """Looks up how long many objects are, at the price of few requests."""

    def __call__(self, locations: Iterable[Location]) -> dict[Location, int]:
        """Sizes in bytes; a location that holds nothing, or cannot be looked up cheaply, is left out."""
        ...


class TogetherReader(Protocol):
    """Asks for many objects at once; None when that does not go now."""

    def __call__(self, locations: Sequence[Location], most: int | None) -> Callable[[], list[bytes | None]] | None:
        """What waits for their bytes, in their order; None of those that are to be read one by one."""
        ...
