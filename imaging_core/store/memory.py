"""Bytes that were fetched already, offered in every form that a decoder may ask for."""

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from imaging_core.errors import TooLargeError
from imaging_core.store.location import Location


class MemorySource:
    """The whole of one object, in memory."""

    def __init__(self, location: Location, data: bytes) -> None:
        self.location = location
        self._data = data

    def size(self) -> int:
        """Length in bytes."""
        return len(self._data)

    def bytes(self, most: int | None = None) -> bytes:
        """The bytes themselves, not a copy; TooLargeError when there are more than ``most``."""
        if most is not None and len(self._data) > most:
            raise TooLargeError(f"{self.location}: {len(self._data)} bytes, more than the {most} allowed")
        return self._data

    def open(self, most: int | None = None) -> BinaryIO:
        """A file over the bytes."""
        return io.BytesIO(self.bytes(most))

    @contextmanager
    def path(self, most: int | None = None) -> Iterator[Path]:
        """A temporary file with the same ending; removed when the context ends."""
        with tempfile.NamedTemporaryFile(suffix=self.location.suffix) as file:
            file.write(self.bytes(most))
            file.flush()
            yield Path(file.name)
