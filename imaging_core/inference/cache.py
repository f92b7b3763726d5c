"""A cache by content: the same images under the same model, code and compute class are inferred once, whatever the run.

Below the cache's location lie, one folder for each recipe:

    <recipe>/about.json        the recipe: model, code, compute class and what was asked for; its SHA-256 is <recipe>
    <recipe>/ab/abcdef…        one entry (:mod:`imaging_core.inference.entry`), by the SHA-256 of the images' digests

An entry holds what the model said before any ground truth: a hit is scored and encoded by the same code as a case that
was inferred, so that no byte of the result differs. Failed cases are not kept, nor are cases with a file that its
decoder reads in pieces: those bytes are never seen as a whole. Neither names nor paths of files enter an entry or its
name; decoders go by content alone. Entries may be deleted at any time, by age or folder by folder.

The code is told by the digest of its source files, not by its version alone: a commit that changes what is computed
is another recipe, also where the version stays. Who may write to a cache decides what is read from it.
"""

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import imaging_core
from imaging_core import run
from imaging_core.decode.case import Limits
from imaging_core.decode.volume import Grid
from imaging_core.errors import DataError, InferenceError, MissingError, TemporaryError
from imaging_core.inference.entry import FORMAT, Entry
from imaging_core.inference.head import Head, Sealed
from imaging_core.inference.task import Task
from imaging_core.store import Location, Store, check_settings, open_store
from imaging_core.store.memory import MemorySource

BESIDE = {"dataset", "metrics", "report", "training"}
"""Rooms of ``imaging_core`` that choose images, or judge and show results: no entry holds what they make."""


@dataclass(frozen=True, slots=True)
class Found:
    """A case as the cache has it.

    Attributes:
        size: spatial size in pixels.
        inputs: how many model inputs it had.
        grid: of a volume, where its voxels lie.
        sealed: its results.
    """

    size: tuple[int, ...]
    inputs: int
    grid: Grid | None
    sealed: Sealed


class Cache:
    """The entries of one recipe, for one step. Safe to call from every thread.

    What goes wrong with the store is said once and ends no run: one that cannot be written (denied, full) is still
    read; one that does not answer, or cannot be read, is left alone from then on. An entry that is damaged, or finds no
    memory, counts as absent.

    Args:
        store: the cache.
        recipe: as :func:`recipe_of` gives it.
        head: makes cases of entries.
        say: prints a line of the log.

    Attributes:
        hits: how many cases were found.
    """

    def __init__(self, store: Store, recipe: Mapping[str, Any], head: Head, say: Callable[[str], None]) -> None:
        self._store, self._head, self._say = store, head, say
        about = run.to_json(recipe)
        self._folder = hashlib.sha256(about).hexdigest()
        self.hits = 0
        self._missed: dict[int, str] = {}
        self._readable = self._writable = True
        self._lock = threading.Lock()
        self._write(f"{self._folder}/about.json", about)

    def find(self, task: Task) -> Found | None:
        """The results of a fetched task's images; None when they are to be inferred."""
        digest = _images_sha256(task) if self._readable or self._writable else None
        if digest is None:
            return None
        name = f"{self._folder}/{digest[:2]}/{digest}"
        try:
            found = self._read(name, task.case)
        except MemoryError:
            found = None
        with self._lock:
            if found is None:
                self._missed[task.position] = name
            else:
                self.hits += 1
        return found

    def entry(
        self, task: Task, size: tuple[int, ...], grid: Grid | None, inputs: int, sealed: Sealed
    ) -> tuple[str, bytes] | None:
        """What to :meth:`keep` of a case whose results have arrived, and are good; None when it was found here."""
        with self._lock:
            name = self._missed.pop(task.position, None)
        if name is None or not self._writable:
            return None
        try:
            affine = None if grid is None else grid.affine
            return name, Entry(size, inputs, affine, sealed.said()).to_bytes(name)
        except MemoryError:
            return None

    def keep(self, name: str, data: bytes) -> None:
        """Write an entry that :meth:`entry` made."""
        if self._writable:
            self._write(name, data)

    def _read(self, name: str, case: str) -> Found | None:
        if not self._readable:
            return None
        try:
            data = self._store.get(name)
        except MissingError:
            return None
        except (InferenceError, OSError) as error:
            self._leave_alone(error)
            return None
        try:
            entry = Entry.from_bytes(name, data)
            grid = Grid(entry.affine) if len(entry.size) == 3 else None
            return Found(entry.size, entry.inputs, grid, self._head.recall(case, entry.size, grid, entry.said))
        except DataError:
            return None

    def _write(self, key: str, data: bytes) -> None:
        try:
            self._store.put(key, data)
        except TemporaryError as error:
            self._leave_alone(error)
        except (InferenceError, OSError) as error:
            with self._lock:
                first, self._writable = self._writable, False
            if first:
                self._say(f"warning: nothing more is put into the cache: {error}")

    def _leave_alone(self, error: Exception) -> None:
        with self._lock:
            first, self._readable, self._writable = self._readable, False, False
        if first:
            self._say(f"warning: going on without the cache: {error}")


def open_cache(location: Location, recipe: Mapping[str, Any], head: Head, say: Callable[[str], None]) -> Cache:
    """The cache at a location, for one recipe.

    Raises:
        ConfigurationError: nothing can be written to such a location, or what it takes to reach it is not set.
    """
    store = open_store(location)
    check_settings(location)
    return Cache(store, recipe, head, say)


def recipe_of(model: str, compute_class: Mapping[str, Any], limits: Limits, *, probabilities: bool) -> dict[str, Any]:
    """All that decides, beside the images, what an entry holds.

    Args:
        model: the bundle's digest.
        compute_class: of this process.
        limits: a case that is within them may not be within others.
        probabilities: whether maps are kept too.
    """
    return {
        "format": FORMAT,
        "model": model,
        "code": {"version": imaging_core.__version__, "sha256": _code_sha256()},
        "compute_class": compute_class,
        "limits": asdict(limits),
        "probabilities": probabilities,
    }


def _code_sha256() -> str:
    """The digest of all source files of ``imaging_core`` outside of BESIDE, with their names."""
    package = Path(imaging_core.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package)
        if name.parts[0] not in BESIDE:
            digest.update(f"{name.as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _images_sha256(task: Task) -> str | None:
    """One digest over all images, in their order; None when not all of them are in memory."""
    digest = hashlib.sha256()
    for source in task.images:
        if not isinstance(source, MemorySource):
            return None
        digest.update(hashlib.sha256(source.bytes()).digest())
    return digest.hexdigest()
