"""What a dataset file says, in columns and without judging it: the common ground of both ways of reading."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from imaging_core.dataset.problems import Problems
from imaging_core.dataset.tree import Mapping, Node, NotReadableError, Scalar, Sequence, typed

Value = str | int | float | bool | None
Texts = str | tuple[str, ...]
Values = tuple[Value, ...] | dict[str, Value]

_INTEGER = re.compile("-?(0|[1-9][0-9]{0,17})")


@dataclass(slots=True)
class Images:
    """The entries of ``images``, a column each.

    Attributes:
        line: the line (from 1) of a key of the entry with an index, or of the entry; searched for when asked.
        locations: one path, or the paths of the planes.
        labels: as written, or None.
        values: feature values by position or by name, or None.
    """

    line: Callable[[int, str], int]
    locations: list[Texts] = field(default_factory=list)
    labels: list[Texts | None] = field(default_factory=list)
    values: list[Values | None] = field(default_factory=list)


@dataclass(slots=True)
class Split:
    """The splits.

    Attributes:
        line: the line (from 1) of an index, by its split and its place there; searched for when asked.
        indices: name to indices as written; None where something else is written, which was noted as a problem.
    """

    line: Callable[[str, int], int]
    indices: dict[str, list[int | None]] = field(default_factory=dict)


@dataclass(slots=True)
class Document:
    """A dataset file.

    Attributes:
        head: everything but images and split.
        images: its entries.
        split: its splits.
        source_indices: of a shard the list ``indices`` of its ``source``; None where ``head`` has it, if there is one.
    """

    head: Mapping
    images: Images
    split: Split
    source_indices: list[int] | None = None


def from_tree(
    tree: Node | None, problems: Problems, images: Images | None = None, split: Split | None = None
) -> Document:
    """The document of a tree; what has the wrong type is noted in ``problems`` and left out.

    Args:
        tree: the whole file, but for what was read already.
        problems: takes what is wrong.
        images: read already; None takes them from the tree.
        split: read already; None takes it from the tree.

    Raises:
        NotReadableError: the tree is not a map.
    """
    if tree is None or (isinstance(tree, Scalar) and tree.is_null):
        tree = Mapping({}, 1)
    if not isinstance(tree, Mapping):
        raise NotReadableError(tree.line, "a dataset file is a map with the keys name, images, split, …")
    items = dict(tree.items)
    if images is None:
        images = _images(items.pop("images", None), problems)
    if split is None:
        split = _split(items.pop("split", None), problems)
    return Document(Mapping(items, tree.line), images, split)


def text_of(node: Node | None, entry: str, problems: Problems) -> str | None:
    """The text of a scalar; None, with a problem noted unless nothing is there, for anything else."""
    if node is None:
        return None
    if not isinstance(node, Scalar):
        problems.add(node.line, entry, f"is a {_kind(node)}, must be a single value")
        return None
    if node.is_not_finite:
        problems.add(node.line, entry, f"is {node.text}, not a finite number or a text; write a text in quotes")
        return None
    return None if node.is_null else node.text


def texts_of(node: Node | None, entry: str, problems: Problems) -> tuple[str, ...]:
    """The texts of a list of scalars; problems are noted for whatever else is found."""
    if node is None or (isinstance(node, Scalar) and node.is_null):
        return ()
    if not isinstance(node, Sequence):
        problems.add(node.line, entry, f"is a {_kind(node)}, must be a list")
        return ()
    texts = []
    for place, item in enumerate(node.items):
        before = problems.count
        text = text_of(item, f"{entry}[{place}]", problems)
        if not text and problems.count == before:
            problems.add(
                item.line, f"{entry}[{place}]", "is empty; give it a text (in quotes, if it is null) or take it out"
            )
        texts.append(text or "")
    return tuple(texts)


def _images(node: Node | None, problems: Problems) -> Images:
    if node is None or (isinstance(node, Scalar) and node.is_null):
        return Images(lambda _index, _key: 1)
    if not isinstance(node, Sequence):
        problems.add(node.line, "images", f"is a {_kind(node)}, must be a list of paths or of maps with a location")
        return Images(lambda _index, _key: node.line)
    images = Images(lambda index, key: _line_of_key(node.items[index], key))
    for item in node.items:
        add_image(images, item, problems)
    return images


def _line_of_key(entry: Node, key: str) -> int:
    return entry.items[key].line if isinstance(entry, Mapping) and key in entry.items else entry.line


def add_image(images: Images, node: Node, problems: Problems) -> None:
    """Add the entry that a node is; what has the wrong type is noted in ``problems``."""
    entry = f"images[{len(images.locations)}]"
    items = node.items if isinstance(node, Mapping) else {"location": node}
    if "location" not in items:
        problems.add(node.line, f"{entry}.location", "is missing; give the path of the image")
        images.locations.append("")
    else:
        where = f"{entry}.location" if isinstance(node, Mapping) else entry
        images.locations.append(_location(items["location"], where, problems))
    images.labels.append(_label(items.get("label"), f"{entry}.label", problems))
    images.values.append(_values(items.get("values"), f"{entry}.values", problems))


def _location(node: Node, entry: str, problems: Problems) -> Texts:
    before = problems.count
    if isinstance(node, Sequence):
        texts = texts_of(node, entry, problems)
        if not texts:
            problems.add(node.line, entry, "is an empty list; give the path of the image")
        if problems.count > before:
            return ""
        return texts[0] if len(texts) == 1 else texts
    text = text_of(node, entry, problems)
    if not text and problems.count == before:
        problems.add(node.line, entry, "is empty; give the path of the image")
    return text or ""


def _label(node: Node | None, entry: str, problems: Problems) -> Texts | None:
    before = problems.count
    label = texts_of(node, entry, problems) if isinstance(node, Sequence) else text_of(node, entry, problems)
    return label if problems.count == before else None


def _values(node: Node | None, entry: str, problems: Problems) -> Values | None:
    if node is None or (isinstance(node, Scalar) and node.is_null):
        return None
    if isinstance(node, Sequence):
        return tuple(_value(item, f"{entry}[{place}]", problems) for place, item in enumerate(node.items))
    if isinstance(node, Mapping):
        names = {key: f"{entry}.{problems.name(key)}" if problems.show_names else entry for key in node.items}
        return {key: _value(item, names[key], problems) for key, item in node.items.items()}
    problems.add(node.line, entry, "is a single value, must be a list in the order of features or a map by their names")
    return None


def _value(node: Node, entry: str, problems: Problems) -> Value:
    if not isinstance(node, Scalar):
        problems.add(node.line, entry, f"is a {_kind(node)}, must be a single value")
        return None
    try:
        return typed(node.text, plain=node.plain)
    except ValueError:
        problems.add(node.line, entry, f"is {node.text}, not a finite number; write null where a value is absent")
        return None


def _split(node: Node | None, problems: Problems) -> Split:
    lines: dict[str, list[int]] = {}
    split = Split(lambda name, place: lines[name][place])
    if node is None or (isinstance(node, Scalar) and node.is_null):
        return split
    if not isinstance(node, Mapping):
        problems.add(node.line, "split", f"is a {_kind(node)}, must be a map of names to lists of indices")
        return split
    for name, listed in node.items.items():
        entry = f"split.{problems.name(name)}"
        split.indices[name], lines[name] = [], []
        if isinstance(listed, Scalar) and listed.is_null:
            continue
        if not isinstance(listed, Sequence):
            problems.add(listed.line, entry, f"is a {_kind(listed)}, must be a list of indices into images")
            split.indices[name], lines[name] = [None], [listed.line]
            continue
        for place, item in enumerate(listed.items):
            split.indices[name].append(_index(item, f"{entry}[{place}]", problems))
            lines[name].append(item.line)
    return split


def _index(node: Node, entry: str, problems: Problems) -> int | None:
    if not isinstance(node, Scalar):
        problems.add(node.line, entry, f"is a {_kind(node)}, must be an index into images")
        return None
    if _INTEGER.fullmatch(node.text):
        return int(node.text)
    what = f"is {problems.quote(node.text)}, must be a whole number such as 12, an index into images"
    problems.add(node.line, entry, what)
    return None


def _kind(node: Node) -> str:
    return {Scalar: "single value", Sequence: "list", Mapping: "map"}[type(node)]
