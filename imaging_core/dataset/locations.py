"""What is asked of locations: each names one image, once, and leads to a place that its user has allowed."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from types import NoneType
from typing import TypeGuard

from imaging_core.dataset.document import Document, Texts
from imaging_core.dataset.labels import Label
from imaging_core.dataset.problems import Problems
from imaging_core.dataset.roots import Roots
from imaging_core.errors import DataError
from imaging_core.store import SOURCES, Location
from imaging_core.store.location import FILE, S3

LONGEST = 4096

_NOT_SIMPLE = ("//", "/.", "/\n", "\0")
_NOT_SIMPLE_FIRST = {"", ".", "/"}
_NOT_SIMPLE_NAMES = {"", ".", ".."}
_AS_WRITTEN = {FILE, S3}
"""Schemes of which a location's text is its path, without escapes."""


def all_simple(texts: Sequence[str]) -> bool:
    """Whether all are relative paths that stay in the folder they start from, and could not be written shorter."""
    if not _NOT_SIMPLE_FIRST.isdisjoint([text[:1] for text in texts]):
        return False
    joined = "\n".join([*texts, ""])
    return joined.count("\n") == len(texts) and not any(piece in joined for piece in _NOT_SIMPLE)


def check_locations(
    document: Document,
    labels: Sequence[Label],
    requested: Iterable[int],
    folder: Location,
    roots: Roots | None,
    problems: Problems,
) -> None:
    """Note what is wrong with the locations of images and masks.

    Args:
        document: whose locations to check.
        labels: its labels, read.
        requested: the indices of images that will be read.
        folder: what relative locations start from.
        roots: where images and masks may lie; None allows all.
        problems: takes what is wrong.
    """
    checker = _Checker(document, folder, roots, problems)
    masks = labels if set(map(type, labels)) <= {str, NoneType} else [_path(label) for label in labels]
    checker.check("label", masks, requested)  # type: ignore[arg-type]  # no tuples are left
    names = checker.check("location", document.images.locations, requested)
    if len(set(names)) == len(names):
        return
    first: dict[Texts, int] = {}
    for index, name in enumerate(names):
        if name and first.setdefault(name, index) != index:
            if problems.full:
                problems.count += 1
                continue
            written = problems.quote(document.images.locations[index])
            line = partial(document.images.line, index, "location")
            what = f"{written} is images[{first[name]}] already; take one of the two out"
            problems.add(line, f"images[{index}].location", what)


def _path(label: Label) -> str | None:
    return label if isinstance(label, str) else None


def _parts(written: Sequence[Texts | None]) -> list[str]:
    if _each_is_one(written):
        return [text for text in written if text is not None]
    return [part for text in written if text is not None for part in ((text,) if isinstance(text, str) else text)]


def _each_is_one(written: Sequence[Texts | None]) -> TypeGuard[Sequence[str | None]]:
    return set(map(type, written)) <= {str, NoneType}


class _Checker:
    def __init__(self, document: Document, folder: Location, roots: Roots | None, problems: Problems) -> None:
        self._line = document.images.line
        self._folder = folder
        self._roots = roots
        self._problems = problems
        self._folders: dict[str, str] = {}

    def check(self, key: str, written: Sequence[Texts | None], requested: Iterable[int]) -> Sequence[Texts | None]:
        """Note what is wrong with the locations of a column; returns each in the one way to write it."""
        texts = _parts(written)
        if all_simple(texts) and max(map(len, texts), default=0) < LONGEST:
            return written
        asked = set(requested)
        names: list[Texts | None] = []
        for index, text in enumerate(written):
            if isinstance(text, str) and (name := self._plain(text)):
                names.append(name)
                continue
            parts = () if not text else (text,) if isinstance(text, str) else text
            add = partial(self._problems.add, partial(self._line, index, key), f"images[{index}].{key}")
            full = [self._name(part, index in asked, add) for part in parts]
            names.append(None if not all(full) else full[0] if len(full) == 1 else tuple(full))
        return names

    def _plain(self, text: str) -> str:
        """The full location of a path, joined from that of its folder; empty where that takes a closer look."""
        head, _, name = text.rpartition("/")
        if not head or name in _NOT_SIMPLE_NAMES or "\0" in name or len(text) > LONGEST:
            return ""
        folder = self._folders.get(head)
        if folder is None:
            folder = self._folders[head] = self._folder_of(head)
        return folder and folder + name

    def _folder_of(self, head: str) -> str:
        """The full location of a folder, with a closing slash; empty where not all that lies in it may be read."""
        if "\0" in head or ":/" in head:
            return ""
        folder = Location.parse(head, self._folder)
        allowed = folder.scheme in _AS_WRITTEN and (self._roots is None or self._roots.allows(folder))
        return str(folder).rstrip("/") + "/" if allowed else ""

    def _name(self, text: str, asked: bool, add: Callable[[str], None]) -> str:
        """The full location; empty where a problem was noted."""
        if len(text) > LONGEST:
            add(f"has {len(text)} characters; a location may have {LONGEST}")
            return ""
        try:
            location = Location.parse(text, self._folder)
        except DataError as error:
            add(str(error) if self._problems.show_names else "is not a location")
            return ""
        if asked and location.scheme not in SOURCES:
            add(f"{self._problems.quote(text)}: {location.scheme}:// cannot be read; copy the file to where it can")
        elif asked and self._roots is not None and not self._roots.allows(location):
            add(f"{self._problems.quote(text)} {self._roots.refusal(location, show_names=self._problems.show_names)}")
        return str(location)
