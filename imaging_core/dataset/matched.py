"""From the text that a pattern has matched (:mod:`imaging_core.dataset.layouts`) to what it says."""

import re
from functools import lru_cache

from imaging_core.dataset import layouts
from imaging_core.dataset.document import Texts, Value, Values
from imaging_core.dataset.tree import NOT_FINITE, NULLS, typed

SPECIAL = NULLS | NOT_FINITE
"""Scalars that are no text without quotes."""


class Irregular(Exception):  # noqa: N818 - a decision, not an error
    """This file, or this entry, takes the long way."""


def require_unique_names(entry: str) -> None:
    """Irregular when a further key of an entry is given twice."""
    names = layouts.OTHER_NAME.findall(entry)
    if len(set(names)) != len(names):
        raise Irregular


def plain_texts(scalars: list[str], around: str) -> list[str] | None:
    """The texts of scalars on one line each; None when one is empty, null or not a number."""
    if "'" in around or '"' in around:
        try:
            texts = list(map(text_of, scalars))
        except Irregular:
            return None
        return None if "" in texts else texts
    return None if SPECIAL.intersection(scalars) else scalars


def location_of(location: str | None, locations: str | None) -> Texts:
    """The location of an entry, from its scalar or flow list, or else its block list; Irregular when it is empty."""
    read = _texts(location) if location is not None else _items(locations or "")
    if not read or read == "":
        raise Irregular
    return read[0] if isinstance(read, tuple) and len(read) == 1 else read


def label_of(label: str | None, labels: str | None) -> Texts | None:
    """The label of an entry, from its scalar or flow list, or else its block list."""
    if label is not None:
        return None if label in NULLS else _texts(label)
    return None if labels is None else _items(labels)


def _texts(text: str) -> Texts:
    return _flow_texts(text) if text[0] == "[" else text_of(text)


def text_of(scalar: str) -> str:
    """The text of a scalar; Irregular when it is null or not a number."""
    first = scalar[0]
    if first == "'":
        return scalar[1:-1].replace("''", "'")
    if first == '"':
        return layouts.ESCAPE.sub(_unescape, scalar[1:-1]) if "\\" in scalar else scalar[1:-1]
    if "\n" in scalar:
        return layouts.FOLD.sub(" ", scalar)
    if scalar in SPECIAL:
        raise Irregular
    return scalar


_ESCAPED = {"n": "\n", "t": "\t"}


def _unescape(match: "re.Match[str]") -> str:
    escape = match[0]
    return chr(int(escape[2:], 16)) if len(escape) > 2 else _ESCAPED.get(escape[1], escape[1])


@lru_cache(maxsize=4096)
def _flow_texts(text: str) -> tuple[str, ...]:
    return _without_empty(layouts.FLOW_ITEM.findall(text))


def _items(text: str) -> tuple[str, ...]:
    return _without_empty(layouts.BLOCK_ITEM.findall("\n" + text))


def _without_empty(scalars: list[str]) -> tuple[str, ...]:
    texts = tuple(map(text_of, scalars))
    if "" in texts:
        raise Irregular
    return texts


@lru_cache(maxsize=4096)
def values_of(text: str) -> Values:
    """The values of an entry, from a list or map of either kind."""
    if text[0] == "{":
        items = layouts.FLOW_ITEM.findall(text)
        return _named(list(zip(items[::2], items[1::2], strict=True)))
    if text[0] == "[":
        return tuple(map(_typed, layouts.FLOW_ITEM.findall(text)))
    if text.lstrip("\n ").startswith("- "):
        return tuple(map(_typed, layouts.BLOCK_ITEM.findall(text)))
    return _named(layouts.BLOCK_PAIR.findall(text))


def _named(items: list[tuple[str, str]]) -> Values:
    values = {text_of(name): _typed(value) for name, value in items}
    if len(values) != len(items):
        raise Irregular
    return values


def _typed(scalar: str) -> Value:
    if scalar[0] in "'\"":
        return text_of(scalar)
    try:
        return typed(scalar, plain=True)
    except ValueError as error:
        raise Irregular from error
