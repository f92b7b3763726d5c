"""YAML of any layout as a small tree with line numbers, from libyaml's events: bounded depth, aliases and size.

The regular layouts, which big files have, take the shorter way of :mod:`imaging_core.dataset.regular`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any

import yaml

from imaging_core.dataset.problems import Problems

DEPTH = 16
LARGEST = 32 * 1024 * 1024
"""Characters of a file that is not laid out regularly: reading it costs time and memory for every scalar."""

MOST_NODES = 2_000_000
"""Values, lists and maps of a file that libyaml reads, each as often as aliases repeat it: half a minute's work."""

_NODES_A_PART = 10  # setting libyaml up costs as much as reading so many nodes

TAGS = frozenset({"!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"})
NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_EXPONENT = "[eE][-+]?[0-9]{1,3}"
_FLOAT = re.compile(rf"-?((0|[1-9][0-9]*)(\.[0-9]*({_EXPONENT})?|{_EXPONENT})|\.[0-9]+({_EXPONENT})?)")
NOT_FINITE = frozenset(
    {
        *(f"{sign}.{infinity}" for sign in ("", "-", "+") for infinity in ("inf", "Inf", "INF")),
        *(f"{point}{nan}" for point in ("", ".") for nan in ("nan", "NaN", "NAN")),
    }
)
"""As YAML writes it, and as programs do that mean a missing number."""

_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


@dataclass(slots=True)
class Scalar:
    """One value: its text, whether it stood without quotes, and its line (from 1)."""

    text: str
    plain: bool
    line: int

    @property
    def is_null(self) -> bool:
        """Nothing, ``~`` or ``null``, without quotes."""
        return self.plain and self.text in NULLS

    @property
    def is_not_finite(self) -> bool:
        """NaN or infinity, as YAML writes them."""
        return self.plain and self.text in NOT_FINITE


@dataclass(slots=True)
class Sequence:
    """A list."""

    items: "list[Node]"
    line: int


@dataclass(slots=True)
class Mapping:
    """A map; its keys are text, and unique. A flow map stands in braces."""

    items: "dict[str, Node]"
    line: int
    flow: bool = False


Node = Scalar | Sequence | Mapping


class NotReadableError(Exception):
    """The text is not YAML, or not of a kind that a dataset file can be. Line from 1, where known."""

    def __init__(self, line: int | None, what: str) -> None:
        super().__init__(what)
        self.line = line
        self.what = what


class TooManyNodesError(NotReadableError):
    """The budget is spent: no other way of reading would need less of it."""


class Budget:
    """How many nodes the parts of one file may still have.

    Attributes:
        left: of :data:`MOST_NODES`.
    """

    def __init__(self) -> None:
        self.left = MOST_NODES


def typed(text: str, *, plain: bool) -> str | int | float | bool | None:
    """The value of a scalar: quoted is text, and so is a number that would lose something (``007``, ``+5``).

    Raises:
        ValueError: NaN or infinity.
    """
    if not plain:
        return text
    if text in NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if text in NOT_FINITE:
        raise ValueError(text)
    if _FLOAT.fullmatch(text) and isfinite(number := float(text)):
        return number
    return text


def parse(text: str, first_line: int, problems: Problems, budget: Budget | None = None) -> Node | None:
    """The tree of one YAML document; None for an empty text.

    Args:
        text: the whole document, or a part of it that is a document by itself.
        first_line: the line of the file (from 1) on which ``text`` starts.
        problems: takes keys that are given twice.
        budget: shared by the parts of a file; a new one without.

    Raises:
        NotReadableError: not YAML; several documents; nested deeper than DEPTH; a tag, a merge key or an alias that a
            dataset file has no use for; longer than LARGEST; more nodes than the budget has.
    """
    if len(text) > LARGEST:
        raise NotReadableError(
            first_line if first_line > 1 else None,
            f"{len(text)} characters that are not images and splits in a regular layout (at most {LARGEST}); "
            "write images as a list of maps, a line for each key",
        )
    try:
        return _Builder(text, first_line, problems, budget or Budget()).build()
    except yaml.MarkedYAMLError as error:
        context = error.context or ""
        scanning = context.startswith("while scanning")
        mark = error.context_mark if scanning else error.problem_mark  # what is not closed is where it was opened
        line = None if mark is None else mark.line + first_line
        what = ", ".join(part for part in (context, error.problem) if part)
        hint = "is it closed?" if "quoted" in context or "flow" in context else "is the indentation right?"
        raise NotReadableError(line, f"not readable as YAML: {what}; {hint}") from error
    except yaml.YAMLError as error:
        raise NotReadableError(None, f"not readable as YAML: {str(error).splitlines()[0]}") from error


class _Builder:
    """Turns events into nodes. An alias repeats its node."""

    def __init__(self, text: str, first_line: int, problems: Problems, budget: Budget) -> None:
        self._next: Callable[[], Any] = yaml.CSafeLoader(text).get_event
        self._first_line = first_line
        self._budget = budget
        self._spend(_NODES_A_PART, first_line)
        self._problems = problems
        self._anchors: dict[str, tuple[Node, int]] = {}

    def build(self) -> Node | None:
        tree: Node | None = None
        while (event := self._next()) is not None:
            kind = type(event)
            if kind is yaml.DocumentStartEvent and tree is not None:
                raise NotReadableError(
                    event.start_mark.line + self._first_line, "a second document starts here; keep one a file"
                )
            if isinstance(event, yaml.NodeEvent):
                tree, _ = self._node(event, 0)
        return tree

    def _node(self, event: Any, depth: int) -> tuple[Node, int]:
        """A node and how many nodes it stands for."""
        kind = type(event)
        line = event.start_mark.line + self._first_line
        if kind is yaml.AliasEvent:
            return self._repeated(event.anchor, line)
        self._spend(1, line)
        if event.tag is not None and event.tag not in TAGS:
            tag = self._problems.quote(event.tag)
            raise NotReadableError(line, f"tag {tag}: a dataset file has texts, lists and maps only; take it out")
        node: Node
        if kind is yaml.ScalarEvent:
            node, weight = Scalar(event.value, event.implicit[0], line), 1
        else:
            if depth >= DEPTH:
                raise NotReadableError(line, f"nested deeper than {DEPTH} levels; a dataset file needs 4")
            if kind is yaml.SequenceStartEvent:
                node, weight = self._sequence(line, depth + 1)
            else:
                node, weight = self._mapping(line, depth + 1, bool(event.flow_style))
        if event.anchor is not None:
            if event.anchor in self._anchors:
                what = f"anchor {self._problems.quote('&' + event.anchor)} is given twice; write the values out"
                raise NotReadableError(line, what)
            self._anchors[event.anchor] = (node, weight)
        return node, weight

    def _repeated(self, anchor: str, line: int) -> tuple[Node, int]:
        if anchor not in self._anchors:
            what = f"alias {self._problems.quote('*' + anchor)} has no anchor before it; write the value out"
            raise NotReadableError(line, what)
        node, weight = self._anchors[anchor]
        self._spend(weight, line)
        return node, weight

    def _spend(self, nodes: int, line: int) -> None:
        self._budget.left -= nodes
        if self._budget.left < 0:
            raise TooManyNodesError(
                line,
                f"more than {MOST_NODES} values that are not in a regular layout, each counted as often as aliases "
                "repeat it; write images as a list of maps, a line for each key, without aliases",
            )

    def _sequence(self, line: int, depth: int) -> tuple[Node, int]:
        items, weight = [], 1
        while type(event := self._next()) is not yaml.SequenceEndEvent:
            node, heavy = self._node(event, depth)
            items.append(node)
            weight += heavy
        return Sequence(items, line), weight

    def _mapping(self, line: int, depth: int, flow: bool) -> tuple[Node, int]:
        items: dict[str, Node] = {}
        weight = 1
        while type(event := self._next()) is not yaml.MappingEndEvent:
            key, _ = self._node(event, depth)
            node, heavy = self._node(self._next(), depth)
            weight += heavy + 1
            if not isinstance(key, Scalar):
                raise NotReadableError(key.line, "a key is a single word or text, not a list or map")
            if key.text == "<<" and key.plain:
                raise NotReadableError(key.line, "merge keys (<<) are not read by ECVL; write the keys out")
            if key.text in items:
                self._problems.add(key.line, f"key {self._problems.quote(key.text)}", "is given twice; keep one")
            items[key.text] = node
        return Mapping(items, line, flow), weight
