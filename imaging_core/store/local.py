"""The local folder store: a file gets its name when it is complete, so that every write is whole or absent."""

import errno
import os
import secrets
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from imaging_core.errors import (
    ConfigurationError,
    DataError,
    DeniedError,
    LostError,
    MissingError,
    TemporaryError,
    TooLargeError,
)
from imaging_core.store.base import Data, Entry
from imaging_core.store.location import Location

TEMPORARY_PREFIX = ".unfinished-"

_CHUNK = 64 * 1024 * 1024

_WITHOUT_NAMELESS_FILES = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT}
"""What file systems without O_TMPFILE answer, or Linux without /proc."""

_WITHOUT_FOLDER = {errno.ENOENT, errno.EEXIST, errno.EPERM}
"""What making a folder, or a file in it, answers while another process removes it."""

_ATTEMPTS = 3

_LOST = {errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENODEV, errno.ENXIO}
"""What a network folder or a disk that went away answers."""

_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_NAME = {errno.ENAMETOOLONG, errno.ELOOP}
_NEVER_WRITABLE = {
    *_NO_NAME,
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOENT, errno.ENOTDIR, errno.EISDIR),
}


class LocalSource:
    """One file on this machine's disk."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self._path = location.path

    def size(self) -> int:
        """Length in bytes."""
        with _clear_errors(self._path):
            return os.stat(self._path).st_size  # noqa: PTH116 - a Path costs more than the call

    def bytes(self, most: int | None = None) -> bytes:
        """The whole file; TooLargeError when it is longer than ``most`` bytes."""
        try:
            descriptor = _open_without_waiting(self._path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                size = self._checked_size(descriptor, most)
                data = os.read(descriptor, size + 1)
                if len(data) != size:  # more than the system gives at once, or the file has changed
                    data = b"".join([data, *iter(lambda: os.read(descriptor, _CHUNK), b"")])
                    self._limit(len(data), most)
                return data
            finally:
                os.close(descriptor)
        except OSError:
            with _clear_errors(self._path):
                raise

    def open(self, most: int | None = None) -> BinaryIO:
        """The file, opened for reading; DataError for a pipe or a device, which may never end."""
        with _clear_errors(self._path):
            file = open(self._path, "rb", opener=_open_without_waiting)  # noqa: SIM115
            try:
                self._checked_size(file.fileno(), most)
            except BaseException:
                file.close()
                raise
            return file

    def _checked_size(self, descriptor: int, most: int | None) -> int:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError
        if not stat.S_ISREG(found.st_mode):
            raise DataError(f"{self._path}: is not a regular file")
        self._limit(found.st_size, most)
        return found.st_size

    def path(self, most: int | None = None) -> AbstractContextManager[Path]:
        """The file where it lies."""
        self._limit(self.size(), most)
        return nullcontext(Path(self._path))

    def _limit(self, size: int, most: int | None) -> None:
        if most is not None and size > most:
            raise TooLargeError(f"{self._path}: {size} bytes, more than the {most} allowed")


class LocalStore:
    """A folder. Objects are files; unfinished writes have names that :meth:`list` leaves out."""

    def __init__(self, root: Location) -> None:
        self.root = root
        self._folder = Path(root.path)

    def get(self, key: str) -> bytes:
        """The file's bytes."""
        path = self._path(key)
        with _clear_errors(path):
            return path.read_bytes()

    def put(self, key: str, data: Data) -> None:
        """Write a file without a name, flush it to the disk, then name it: whole or absent whenever a kill comes.

        Only where a file is replaced, or the file system has no nameless files, can a kill leave something behind,
        which :meth:`list` leaves out and :meth:`sweep` removes. A file that holds the same bytes already is left alone,
        as when a step is run again.
        """
        path = self._path(key)
        if _holds(path, data):
            return
        with _clear_write_errors(path):
            attempts = 0
            written = False
            while not written:  # another process may sweep the file away, or remove the folder that is empty yet
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    written = _write(path, data)
                except OSError as error:
                    attempts += 1
                    if attempts == _ATTEMPTS or error.errno not in _WITHOUT_FOLDER:
                        raise

    def exists(self, key: str) -> bool:
        """Whether the file is there."""
        path = self._path(key)
        with _clear_errors(path):
            return path.is_file()

    def list(self, prefix: str = "") -> Iterator[str]:
        """The keys below a folder, sorted."""
        keys = []
        with _clear_errors(self._folder):
            for folder, _, names in os.walk(self._folder / prefix, onerror=_raise_unless_absent):
                relative = os.path.relpath(folder, self._folder)
                below = "" if relative == "." else relative + "/"
                keys += [below + name for name in names if not name.startswith(TEMPORARY_PREFIX)]
        yield from sorted(keys)

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """The files below a folder with their sizes and times; a symbolic link is a file of its own."""
        for key in self.list(prefix):
            try:
                found = os.lstat(self._folder / key)
            except FileNotFoundError:  # removed since it was listed
                continue
            yield Entry(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def folders(self) -> Iterator[str]:
        """The folders directly below; links to folders are none."""
        with _clear_errors(self._folder), suppress(FileNotFoundError), os.scandir(self._folder) as found:
            yield from sorted(each.name for each in found if each.is_dir(follow_symlinks=False))

    def delete(self, key: str) -> None:
        """Remove the file, if there is one."""
        path = self._path(key)
        with _clear_write_errors(path):
            path.unlink(missing_ok=True)

    def delete_all(self, keys: Iterable[str]) -> None:
        """Remove files, and the folders that they leave empty, the root among them."""
        folders: set[Path] = set()
        for key in keys:
            self.delete(key)
            folders.update(Path(key).parents)
        for folder in sorted(folders, key=lambda each: len(each.parts), reverse=True):
            with suppress(OSError):  # something else lies in it, or it is gone already
                (self._folder / folder).rmdir()

    def _path(self, key: str) -> Path:
        return Path(self.root.below(key).path)

    def sweep(self) -> None:
        """Remove unfinished files; who is still writing one notices, and writes it again."""
        for folder, _, names in os.walk(self._folder):
            for name in names:
                if name.startswith(TEMPORARY_PREFIX):
                    (Path(folder) / name).unlink(missing_ok=True)


def local_sizes(locations: Iterable[Location]) -> dict[Location, int]:
    """Sizes in bytes of the files that are there; each folder is read once, however many locations it holds."""
    by_folder: dict[str, list[Location]] = {}
    for location in locations:
        by_folder.setdefault(location.path.rpartition("/")[0] or "/", []).append(location)
    sizes = {}
    for folder, members in by_folder.items():
        try:
            with os.scandir(folder) as entries:
                there = {entry.name: entry for entry in entries}
        except OSError:
            continue
        for location in members:
            entry = there.get(location.name)
            try:
                if entry is not None and entry.is_file():
                    sizes[location] = entry.stat().st_size
            except OSError:
                continue
    return sizes


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe that nobody writes to would never open


def _holds(path: Path, data: Data) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == memoryview(data)
    except OSError:
        return False


def _write(path: Path, data: Data) -> bool:
    """Write the whole file, or nothing; False when it was swept away before it had its name."""
    try:
        return _write_nameless(path, data)
    except OSError as error:
        if error.errno not in _WITHOUT_NAMELESS_FILES:
            raise
    return _write_beside(path, data)


def _write_nameless(path: Path, data: Data) -> bool:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with os.fdopen(os.open(path.parent, os.O_TMPFILE | os.O_WRONLY, 0o666), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            nameless = f"/proc/self/fd/{file.fileno()}"
            try:
                os.link(nameless, path.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=True)
            except FileExistsError:  # a link replaces nothing, a rename does
                temporary = path.with_name(TEMPORARY_PREFIX + secrets.token_hex(8))
                try:
                    os.link(nameless, temporary.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=True)
                    return _rename(temporary, path)
                except BaseException:
                    temporary.unlink(missing_ok=True)
                    raise
            return True
    finally:
        os.close(folder)


def _write_beside(path: Path, data: Data) -> bool:
    descriptor, temporary = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o666 & ~_UMASK)
            os.fsync(file.fileno())
        return _rename(Path(temporary), path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _rename(temporary: Path, path: Path) -> bool:
    try:
        temporary.replace(path)
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise
        return False
    return True


class _clear_errors:  # noqa: N801 - reads as a statement
    """Turns what the operating system says about one path into our errors."""

    def __init__(self, path: Path | str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if error is None:
            return
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            raise MissingError(f"{self._path}: no such file") from error
        if isinstance(error, IsADirectoryError):
            raise DataError(f"{self._path}: is a folder, not a file") from error
        if isinstance(error, PermissionError):
            raise DeniedError(f"{self._path}: permission denied; check the owner and the mode") from error
        if isinstance(error, OSError) and error.errno in _NO_NAME:
            raise DataError(f"{self._path}: {error.strerror}") from error
        _raise_if_lost(self._path, error)


class _clear_write_errors:  # noqa: N801 - reads as a statement
    """Says of a place that cannot be written to what is wrong with it, now or for good."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, OSError) and error.errno in _NEVER_WRITABLE:
            raise ConfigurationError(
                f"{self._path}: cannot be written: {error.strerror}; choose another place"
            ) from error
        if isinstance(error, OSError) and error.errno in _FULL:
            raise TemporaryError(f"{self._path}: no space left; free some, then run the same again") from error
        _raise_if_lost(self._path, error)


def _raise_unless_absent(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _raise_if_lost(path: Path | str, error: BaseException | None) -> None:
    if isinstance(error, OSError) and error.errno in _LOST:
        raise LostError(f"{path}: the disk or network folder is gone ({error.strerror}); bring it back") from error


def _read_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _read_umask()  # once, at import: setting it later would race with other threads' writes
