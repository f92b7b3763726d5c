"""Stores: where datasets, bundles and runs lie. One file a kind of store, one line each in the registries below."""

from collections.abc import Callable, Iterable, Sequence

from imaging_core.errors import ConfigurationError
from imaging_core.store.ahead import Ahead
from imaging_core.store.base import AT_ONCE, Entry, Reader, SizeLister, Source, Store, TogetherReader
from imaging_core.store.http import HttpSource
from imaging_core.store.local import LocalSource, LocalStore, local_sizes
from imaging_core.store.location import FILE, S3, Location


def _s3_store(root: Location) -> Store:
    from imaging_core.store.s3 import S3Store  # its client takes a quarter of a second to import

    return S3Store(root)


def _s3_source(location: Location) -> Source:
    from imaging_core.store.s3 import S3Source

    return S3Source(location)


def _s3_sizes(locations: Iterable[Location]) -> dict[Location, int]:
    from imaging_core.store.s3 import s3_sizes

    return s3_sizes(locations)


def _s3_together(locations: Sequence[Location], most: int | None) -> Callable[[], list[bytes | None]] | None:
    from imaging_core.store.s3_small import read_many

    return read_many(locations, most)


STORES: dict[str, Callable[[Location], Store]] = {FILE: LocalStore, S3: _s3_store}
SOURCES: dict[str, Callable[[Location], Source]] = {
    FILE: LocalSource,
    S3: _s3_source,
    "http": HttpSource,
    "https": HttpSource,
}
SIZES: dict[str, SizeLister] = {FILE: local_sizes, S3: _s3_sizes}
TOGETHER: dict[str, TogetherReader] = {S3: _s3_together}

__all__ = [
    "AT_ONCE",
    "SOURCES",
    "TOGETHER",
    "Ahead",
    "Entry",
    "Location",
    "Reader",
    "Source",
    "Store",
    "check_settings",
    "open_source",
    "open_store",
    "read_together",
    "sizes",
]


def open_store(root: Location) -> Store:
    """The store whose keys lie below ``root``; ConfigurationError for a kind that cannot be written here.

    Nothing is asked of it yet, nor of what it takes to reach it: see :func:`check_settings`.
    """
    if root.scheme not in STORES:
        raise ConfigurationError(f"{root}: objects can be written to {_known(STORES)}, not to {root.scheme}://")
    return STORES[root.scheme](root)


def open_source(location: Location) -> Source:
    """The bytes at ``location``, not yet read; ConfigurationError for a kind of location that cannot be read here."""
    if location.scheme not in SOURCES:
        raise ConfigurationError(f"{location}: {location.scheme}:// cannot be read; known: {_known(SOURCES)}")
    return SOURCES[location.scheme](location)


def read_together(locations: Sequence[Location], most: int | None) -> Callable[[], list[bytes | None]] | None:
    """Ask for whole objects at once; None when their stores have no way for that, or not now.

    Returns:
        What waits for them, to be called by the same thread: of each, in their order, the bytes, checked as
        :meth:`Source.bytes` does; None of those that are to be read one by one, which also says what is wrong.
    """
    schemes = {location.scheme for location in locations}
    if len(schemes) != 1 or not schemes <= TOGETHER.keys():
        return None
    return TOGETHER[schemes.pop()](locations, most)


def check_settings(root: Location) -> None:
    """ConfigurationError when the settings that it takes to reach ``root`` are missing or wrong; nothing is sent."""
    if root.scheme == S3:
        from imaging_core.store.s3_client import client

        client()


def sizes(locations: Iterable[Location]) -> dict[Location, int]:
    """Sizes in bytes, where they can be looked up cheaply; the rest is left out."""
    by_scheme: dict[str, list[Location]] = {}
    for location in locations:
        by_scheme.setdefault(location.scheme, []).append(location)
    found: dict[Location, int] = {}
    for scheme, members in by_scheme.items():
        if scheme in SIZES:
            found |= SIZES[scheme](members)
    return found


def _known(registry: dict[str, Callable[[Location], Store]] | dict[str, Callable[[Location], Source]]) -> str:
    return ", ".join("plain paths" if scheme == FILE else f"{scheme}://" for scheme in registry)
