"""Locations: plain paths, ``s3://bucket/key``, ``http(s)://host/path``, taken apart and joined without being opened."""

import os
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote

from imaging_core.errors import DataError

FILE = "file"
S3 = "s3"
EMPTY = "empty or not printable; give a path, s3://bucket/key or http(s)://host/path"
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<host>[^/]*)(?P<path>/.*)?", re.DOTALL)
_HTTP = {"http", "https"}


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in a store.

    Attributes:
        scheme: ``file``, ``s3``, ``http`` or ``https``.
        host: the bucket of ``s3``, host and port of ``http``; empty for ``file``.
        path: absolute and normalised (no ``.``, ``..`` or doubled slash), starting with ``/``; never percent-encoded.
        query: of ``http``, what follows the question mark, as written (a signature, say).
    """

    scheme: str
    host: str
    path: str
    query: str = ""

    @classmethod
    def parse(cls, text: str, base: Self | None = None) -> Self:
        """Read a location as a person writes it; a relative one is taken from ``base``, else from the working folder.

        Raises:
            DataError: the text is empty, holds a NUL, is a URL without a host, or a ``file://`` with one.
        """
        if not text or "\0" in text:
            raise DataError(f"location {text!r}: {EMPTY}")
        if "://" in text and (url := _URL.fullmatch(text)):
            scheme, host, path = url["scheme"].lower(), url["host"], url["path"] or "/"
            if scheme == FILE:
                if host not in ("", "localhost"):
                    raise DataError(f"location {text!r}: file:// takes an absolute path after a third slash")
                return cls(FILE, "", _normal(_decoded(path, text, "strict")))
            if not host:
                raise DataError(f"location {text!r}: no {'bucket' if scheme == S3 else 'host'} after {scheme}://")
            if scheme in _HTTP:
                path, _, query = path.partition("?")
                return cls(scheme, host.lower(), _normal(_decoded(path, text, "surrogateescape")), query)
            return cls(scheme, host, _normal(path))
        if base is None:
            return cls(FILE, "", _normal(posixpath.join(Path.cwd(), posixpath.expanduser(text))))
        if text.startswith("/"):
            return cls(FILE, "", _normal(text))
        return cls(base.scheme, base.host, _normal(f"{base.path}/{text}"))

    def join(self, *parts: str) -> Self:
        """The location below this one; ``..`` is resolved."""
        return type(self)(self.scheme, self.host, _normal(posixpath.join(self.path, *parts)))

    def below(self, key: str) -> Self:
        """The location of an object of this store; DataError when its key leads out of it."""
        location = self.join(key)
        if not location.is_within(self):
            raise DataError(f"{self.for_person()}: {key!r} leads out of it")
        return location

    @property
    def parent(self) -> Self:
        """The folder that holds this location."""
        return type(self)(self.scheme, self.host, posixpath.dirname(self.path))

    @property
    def name(self) -> str:
        """The last part of the path."""
        return posixpath.basename(self.path)

    @property
    def suffix(self) -> str:
        """The ending of the name, lower case, with its dot; empty when it has none."""
        return posixpath.splitext(self.name)[1].lower()

    @property
    def key(self) -> str:
        """The path without its leading slash: an S3 object key."""
        return self.path.lstrip("/")

    @property
    def store(self) -> str:
        """Bucket or web server, without the object's name; of a file only that it is one."""
        return "the disk" if self.scheme == FILE else f"{self.scheme}://{self.host}"

    @property
    def shown(self) -> str:
        """How messages name this location: without its query, which may hold a signature."""
        return self.path if self.scheme == FILE else f"{self.scheme}://{self.host}{self.path}"

    def same_store(self, other: "Location") -> bool:
        """Whether a relative path can lead from one location to the other."""
        return (self.scheme, self.host) == (other.scheme, other.host)

    def is_within(self, root: "Location") -> bool:
        """Whether this location is ``root`` or lies below it, by its text alone (symbolic links are not followed)."""
        return self.same_store(root) and (self.path == root.path or self.path.startswith(root.path.rstrip("/") + "/"))

    def relative_to(self, folder: "Location") -> str:
        """How ``folder`` names this location: a relative path inside one store, else (or with a query) the full one."""
        relative = self.same_store(folder) and not self.query
        return posixpath.relpath(self.path, folder.path) if relative else str(self)

    def __str__(self) -> str:
        """What :meth:`parse` reads back."""
        if self.scheme == FILE:
            return self.path
        if self.scheme in _HTTP:
            return f"{self.scheme}://{self.host}{quote(self.path, errors='surrogateescape')}" + (
                f"?{self.query}" if self.query else ""
            )
        return f"{self.scheme}://{self.host}{self.path}"

    def for_person(self) -> str:
        """The shortest way to name this location in the working folder."""
        if self.scheme == FILE:
            relative = os.path.relpath(self.path)
            return self.path if relative.startswith("..") else relative
        return str(self)


def _decoded(path: str, text: str, errors: str) -> str:
    """The path of a URL without its percent escapes."""
    try:
        decoded = unquote(path, errors=errors)
    except UnicodeDecodeError as error:
        raise DataError(f"location {text!r}: its percent escapes are not UTF-8; give a plain path") from error
    if "\0" in decoded:
        raise DataError(f"location {text!r}: {EMPTY}")
    return decoded


def _normal(path: str) -> str:
    return "/" + posixpath.normpath("/" + path).lstrip("/")
