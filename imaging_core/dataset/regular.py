"""The short way through dataset files that are laid out regularly, as programs and people write big ones.

Images and splits, which make a file big, are matched by patterns; the rest of the file, and entries that fit none of
the patterns, go through libyaml (:mod:`imaging_core.dataset.tree`). The result is the same, only sooner.

What makes it safe: libyaml reads the file with a marker in the place of each section that the patterns have read, and
has to find the marker as the value of that key of the outermost map, a block or flow one as the patterns took it for.
So the section was the value of that key, too.
"""

from dataclasses import dataclass
from itertools import islice

from imaging_core.dataset import layouts
from imaging_core.dataset.document import Document, Images, Split, from_tree
from imaging_core.dataset.entries import ImagesReader
from imaging_core.dataset.matched import Irregular, text_of
from imaging_core.dataset.problems import Problems
from imaging_core.dataset.tree import LARGEST, Mapping, NotReadableError, Scalar, TooManyNodesError, parse

_MARKER = "read by patterns"
_NO_NUMBER = str.maketrans("-,[]", "    ")
LONGEST_KEY = 1000
"""Characters: libyaml takes no key of more than 1,024 without a question mark."""


@dataclass(slots=True)
class _Section:
    """The value of ``key`` (``outer.inner``): the text from after its colon to where libyaml goes on."""

    key: str
    start: int
    end: int


def read_regular(text: str, problems: Problems) -> Document | None:
    r"""The document of a text whose images are laid out regularly; None when it takes the long way.

    Args:
        text: the whole file, each line ended by ``\n``.
        problems: takes what is wrong with it.

    Raises:
        NotReadableError: a file that is too big for the long way has an entry that is not readable.
    """
    if "\r" in text or not (text.isascii() or layouts.UNUSUAL.search(text) is None):
        return None
    found = Problems(problems.where, problems.show_names)
    try:
        images, images_section = _read_images(text, found)
        split, split_section = _read_split(text, images_section)
        indices, indices_section = _read_source_indices(text, images_section)
        sections = [each for each in (images_section, split_section, indices_section) if each is not None]
        head = _read_rest(text, sorted(sections, key=lambda section: section.start), found)
    except Irregular:
        return None
    except NotReadableError as error:
        if len(text) > LARGEST or isinstance(error, TooManyNodesError):
            problems.take(found)
            raise
        return None
    document = from_tree(head, found, images, split)
    document.source_indices = indices
    problems.take(found)
    return document


def _read_rest(text: str, sections: list[_Section], problems: Problems) -> Mapping:
    pieces = []
    position = 0
    lines = {}
    for section in sections:
        pieces += [text[position : section.start], f" '{_MARKER}'", "\n" * text.count("\n", section.start, section.end)]
        lines[section.key] = text.count("\n", 0, section.start) + 1
        position = section.end
    head = parse("".join([*pieces, text[position:]]), 1, problems)
    if not isinstance(head, Mapping) or head.flow != text.startswith("{"):
        raise Irregular
    for key, line in lines.items():
        outer, _, inner = key.rpartition(".")
        holder = head.items.get(outer) if outer else head
        if not isinstance(holder, Mapping) or holder.items.pop(inner, None) != Scalar(_MARKER, plain=False, line=line):
            raise Irregular
    return head


def _find_key(text: str, key: str, start: int) -> int:
    """The position after the colon of a key at the start of a line; -1 when there is none."""
    if start == 0 and text.startswith(f"{key}:"):
        return len(key) + 1
    found = text.find(f"\n{key}:", max(0, start - 1))
    return found if found < 0 else found + len(key) + 2


def _end_section(text: str, position: int) -> int:
    if text[position : position + 1] in {" ", "-", "\t"}:
        raise Irregular  # something goes on here that the patterns do not know
    return position


def _read_images(text: str, problems: Problems) -> tuple[Images, _Section]:
    reader = ImagesReader(text, problems)
    if text.startswith("{"):
        opened = layouts.FLOW_KEY.search(text)
        if opened is None:
            raise Irregular
        start, end = opened.end(), reader.read_flow(opened.end(1), layouts.FLOW_GOES_ON)
        return reader.images, _Section("images", start, end)
    start = _find_key(text, "images", 0)
    if start < 0:
        raise Irregular
    if first := layouts.FIRST_ENTRY.match(text, start):
        end = reader.read_block(first.start(1), len(first[1]), len(first[2]))
    elif opened := layouts.FLOW_START.match(text, start):
        end = reader.read_flow(opened.end(), layouts.FLOW_END)
    else:
        raise Irregular
    return reader.images, _Section("images", start, _end_section(text, end))


def _read_split(text: str, images: _Section) -> tuple[Split | None, _Section | None]:
    """The splits, when they are laid out regularly; None leaves them to libyaml, if there are any."""
    if text.startswith("{"):
        return None, None
    start = _find_key(text, "split", images.end)
    if start < 0:
        start = _find_key(text[: images.start], "split", 0)
    first = layouts.FIRST_SPLIT.match(text, start) if start >= 0 else None
    if first is None:
        return None, None
    position = first.start("out")
    starts: dict[str, int] = {}
    split = Split(lambda name, place: _line_of_number(text, starts[name], place))
    while match := layouts.SPLIT.match(text, position):
        name = text_of(match["name"])
        if match["out"] != first["out"] or name in split.indices or len(match["name"]) > LONGEST_KEY:
            return None, None
        numbers = (match["block"] or match["flow"] or "").translate(_NO_NUMBER)
        split.indices[name] = list(map(int, numbers.split()))
        starts[name] = match.start("block" if match["block"] else "flow")
        position = match.end()
    if text[position : position + 1] in {" ", "-", "\t"}:
        return None, None
    return split, _Section("split", start, position)


def _read_source_indices(text: str, images: _Section) -> tuple[list[int] | None, _Section | None]:
    """Which cases a shard's images are, where that stands before them as split writes it."""
    start = -1 if text.startswith("{") else _find_key(text[: images.start], "source", 0)
    match = layouts.SOURCE_INDICES.match(text, start, images.start) if start >= 0 else None
    if match is None:
        return None, None
    return list(map(int, match["list"].translate(_NO_NUMBER).split())), _Section("source.indices", *match.span("list"))


def _line_of_number(text: str, start: int, place: int) -> int:
    """The line of a number: the ``place``-th from ``start`` on."""
    number = next(islice(layouts.NUMBER.finditer(text, start), place, None))
    return text.count("\n", 0, number.start()) + 1
