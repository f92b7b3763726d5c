"""Collects what is wrong with a dataset file, so that one run shows all of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import itemgetter

from imaging_core.errors import DataError, listing

SHOWN = 20


@dataclass(slots=True)
class Problems:
    """The problems of one file, in the order in which they were found.

    Attributes:
        where: the file, as a person knows it.
        show_names: whether file names may appear, which can hold patients' identifiers.
    """

    where: str
    show_names: bool = True
    count: int = 0
    _found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int | Callable[[], int] | None, entry: str, what: str) -> None:
        """Note one problem: the line (from 1) and entry where it is, what is wrong and how to mend it.

        A line that takes a search is given as a function, called only for a problem that will be shown.
        """
        self.count += 1
        if not self.full:
            line = line() if callable(line) else line
            place = self.where if line is None else f"{self.where}:{line}"
            self._found.append((line or 0, f"{place}: {entry}: {what}"))

    @property
    def full(self) -> bool:
        """Whether what is added is only counted from now on."""
        return len(self._found) >= SHOWN

    def take(self, others: "Problems") -> None:
        """Note the problems that were collected elsewhere for the same file."""
        self._found = (self._found + others._found)[:SHOWN]
        self.count += others.count

    def quote(self, text: object) -> str:
        """A piece of the file for a message: shortened, and left out where names may not be shown."""
        if not self.show_names:
            return "(not shown)"
        shown = repr(text)
        return shown if len(shown) <= 80 else f"{shown[:60]}… ({len(str(text))} characters)"

    @staticmethod
    def name(key: str) -> str:
        """A key of the file as a part of an entry's name: shortened."""
        return key if len(key) <= 60 else f"{key[:60]}…"

    @property
    def shown(self) -> list[str]:
        """The first 20 problems, by their lines."""
        return [text for _, text in sorted(self._found, key=itemgetter(0))]

    def raise_if_any(self) -> None:
        """Raise one DataError that shows the first 20 problems and counts the rest."""
        if self.count:
            raise DataError(listing(self.where, self.shown, total=self.count))
