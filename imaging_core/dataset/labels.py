"""Labels, as ECVL tells them apart: an integer is a class index even in quotes, then class names, then paths."""

import difflib
import re
from collections.abc import Iterable, Sequence
from functools import partial

from imaging_core.dataset.document import Document, Texts
from imaging_core.dataset.problems import SHOWN, Problems

Label = tuple[int, ...] | str | None

_INDEX = re.compile("0|[1-9][0-9]{0,17}")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9.]*)([eE][-+]?[0-9]+)?|0[xo][0-9A-Fa-f]+")
_ANY_NUMBER = re.compile(f"^(?:{_NUMBER.pattern})$", re.MULTILINE)
_FILE_ENDING = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,5}")


def read_labels(
    document: Document, classes: tuple[str, ...], warnings: list[str], problems: Problems
) -> Sequence[Label]:
    """Per image its class indices, the path of its mask, or None; what cannot be a label is noted in ``problems``."""
    written = document.images.labels
    if not classes and _all_paths(written):
        labels: Sequence[Label] = written  # type: ignore[assignment]
    else:
        labels = _read(document, _Reader(classes, problems), problems)
    _warn(labels, classes, warnings)
    return labels


def _all_paths(written: Sequence[Texts | None]) -> bool:
    """Whether every label is a text that is no number: the path of a mask, where there are no classes."""
    texts = [label for label in written if label is not None]
    if set(map(type, texts)) - {str} or "" in texts:
        return False
    joined = "\n".join(texts)  # type: ignore[arg-type]
    return joined.count("\n") == max(0, len(texts) - 1) and _ANY_NUMBER.search(joined) is None


def _read(document: Document, reader: "_Reader", problems: Problems) -> list[Label]:
    written = document.images.labels
    read = {text: reader.read(text) for text in dict.fromkeys(written) if text is not None}
    labels: list[Label] = []
    for index, text in enumerate(written):
        label = None if text is None else read[text]
        if isinstance(label, _Wrong):
            problems.add(partial(document.images.line, index, "label"), f"images[{index}].label", label.what)
            label = None
        labels.append(label)
    return labels


class _Wrong:
    def __init__(self, what: str) -> None:
        self.what = what


class _Reader:
    def __init__(self, classes: tuple[str, ...], problems: Problems) -> None:
        self._classes = classes
        self._index = {name: index for index, name in enumerate(classes)}
        self._problems = problems
        self._hints = SHOWN

    def read(self, written: Texts) -> "Label | _Wrong":
        if isinstance(written, str):
            found = self._class(written)
            if found is None:
                return self._path(written)
            return found if isinstance(found, _Wrong) else (found,)
        if not written:
            return _Wrong("is an empty list; leave label out where there is no ground truth")
        indices = set()
        for text in written:
            found = self._class(text)
            if found is None:
                return self._unknown(text)
            if isinstance(found, _Wrong):
                return found
            indices.add(found)
        return tuple(sorted(indices))

    def _class(self, text: str) -> "int | _Wrong | None":
        """The index of a class; None for a text that is neither an index nor a class."""
        if text in self._index:
            return self._index[text]
        if not _NUMBER.fullmatch(text):
            return None
        known = f"0 to {len(self._classes) - 1}" if self._classes else "0, 1, …"
        if not _INDEX.fullmatch(text) or (self._classes and int(text) >= len(self._classes)):
            return _Wrong(f"{self._problems.quote(text)} is not the index of a class ({known})")
        return int(text)

    def _path(self, text: str) -> "Label | _Wrong":
        return text if text and (not self._classes or looks_like_path(text)) else self._unknown(text)

    def _unknown(self, text: str) -> _Wrong:
        if not text:
            return _Wrong("is empty; leave label out where there is no ground truth")
        if not self._classes:
            return _Wrong(f"{self._problems.quote(text)} is not a class index, and there are no classes; name them")
        return _Wrong(f"{self._problems.quote(text)} is not in classes; {self._hint(text)}")

    def _hint(self, text: str) -> str:
        close = []
        if self._hints and self._problems.show_names:  # comparing takes long: only what will be shown
            self._hints -= 1
            close = difflib.get_close_matches(text[:100], self._classes[:1000], 1)
        if close:
            return f"did you mean {Problems.name(close[0])!r}?"
        known = [repr(Problems.name(name)) for name in self._classes[:10]]
        return f"known are {', '.join(known)}{', …' if len(self._classes) > 10 else ''}"


def looks_like_path(text: str) -> bool:
    """Whether a label that is no class is meant as a path: it has a folder or a file ending."""
    dot = text.rfind(".")
    return "/" in text or (dot > 0 and _FILE_ENDING.fullmatch(text, dot) is not None)


def _warn(labels: Iterable[Label], classes: tuple[str, ...], warnings: list[str]) -> None:
    kinds = [type(label) for label in labels]
    masks, indices = kinds.count(str), kinds.count(tuple)
    if masks and (classes or indices):
        others = f"the other {indices} are classes" if indices else "though the dataset names classes"
        warnings.append(f"{_labels(masks)} read as the path of a mask; {others}")
    elif masks and not classes:
        # Most have a folder: looking for it first is what makes a million quick.
        bare = [label for label in labels if label and "/" not in label and not looks_like_path(str(label))]
        if bare:
            warnings.append(
                f"{_labels(len(bare))} read as the path of a mask, though without folder and file ending; "
                "if it is a class, name the classes"
            )


def _labels(count: int) -> str:
    return f"{count} label{'s are' if count > 1 else ' is'}"
