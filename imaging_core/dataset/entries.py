"""Reads the entries of ``images`` by patterns; a single entry that fits none goes through libyaml."""

import re
from array import array
from itertools import accumulate, islice
from operator import add

from imaging_core.dataset import layouts
from imaging_core.dataset.document import Images, add_image
from imaging_core.dataset.matched import (
    SPECIAL,
    Irregular,
    label_of,
    location_of,
    plain_texts,
    require_unique_names,
    values_of,
)
from imaging_core.dataset.problems import Problems
from imaging_core.dataset.tree import Budget, Sequence, parse

_ANCHOR = re.compile(r"[\s\[{,]&\S")


class ImagesReader:
    """Reads the entries of a list one after the other, each by the pattern that fitted the one before."""

    def __init__(self, text: str, problems: Problems) -> None:
        self._text = text
        self._problems = problems
        self._starts = array("q")
        self._end = 0
        self._budget = Budget()
        self._counted = self._lines = 0  # how many lines end before some position
        self.images = Images(self._line)

    def read_block(self, start: int, indent: int, gap: int) -> int:
        """Read a block list from its first line on; returns where it ends."""
        self._end = start
        dashes = " " * indent + "- ", " " * indent + "-\n"
        while self._text.startswith(dashes, self._end):
            if not self._take_block(indent, gap):
                self._take_long_way(indent)
        return self._end

    def read_flow(self, start: int, closing: "re.Pattern[str]") -> int:
        """Read a flow list from its first entry on, up to what closes it; returns where that ends."""
        self._end = start
        while not self._text.startswith("]", self._end):
            if not self._take_flow():
                raise Irregular
        closed = closing.match(self._text, self._end)
        if closed is None:
            raise Irregular
        return closed.end()

    def _take_block(self, indent: int, gap: int) -> bool:
        """Take entries of a block list, as many as one pattern fits; whether there were any."""
        start = self._end + indent + 1 + gap
        key = layouts.FIRST_KEY.match(self._text, start)
        if key is not None:
            runs = [keys for keys in layouts.RUNS if keys[:1] == (key[0],)]
            kind = layouts.MAP
        elif self._text.startswith("{", start):
            runs, kind = [], layouts.FLOW_MAP
        else:
            runs, kind = [()], layouts.SCALAR
        if any(self._take_block_run(keys, indent, gap) for keys in runs):
            return True
        return self._take_each(layouts.block_entry(kind, indent, gap))

    def _take_flow(self) -> bool:
        """Take entries of a flow list, as many as one pattern fits; whether there were any."""
        first = self._text[self._end : self._end + 1]
        if first == "{":
            return self._take_each(layouts.flow_entry(layouts.FLOW_MAP))
        quote = first if first in {"'", '"'} else ""
        return self._take_flow_run(quote) or self._take_each(layouts.flow_entry(layouts.SCALAR))

    def _take_block_run(self, keys: tuple[str, ...], indent: int, gap: int) -> bool:
        """Take many entries of a block list at once, which hold just these keys; whether there were any."""
        match = layouts.block_run(keys, indent, gap).match(self._text, self._end)
        if match is None:
            return False
        lines = match[0].split("\n")
        lines.pop()
        columns: dict[str, list[str]] = {}
        for place, key in enumerate(keys or ("location",)):
            start = indent + 1 + gap + (len(key) + 2 if keys else 0)
            texts = plain_texts([line[start:] for line in lines[place :: len(keys) or 1]], match[0])
            if texts is None:
                return False
            columns[key] = texts
        nothing = [None] * len(columns["location"])
        self.images.locations += columns["location"]
        self.images.labels += columns.get("label", nothing)
        self.images.values += nothing
        lengths = [len(line) + 1 for line in lines]
        steps = lengths if len(keys) < 2 else map(add, lengths[::2], lengths[1::2])
        self._starts.extend(islice(accumulate(steps, initial=match.start()), len(nothing)))
        self._end = match.end()
        return True

    def _take_flow_run(self, quote: str) -> bool:
        """Take many scalars of a flow list at once; whether there were any."""
        match = layouts.flow_run(quote).match(self._text, self._end)
        if match is None:
            return False
        listed = match[0].removesuffix(", ")
        texts = listed[len(quote) : len(listed) - len(quote)].split(f"{quote}, {quote}")
        if not quote and SPECIAL.intersection(texts):
            return False
        self.images.locations += texts
        self.images.labels += [None] * len(texts)
        self.images.values += [None] * len(texts)
        steps = (len(text) + 2 * len(quote) + 2 for text in texts)
        self._starts.extend(islice(accumulate(steps, initial=match.start()), len(texts)))
        self._end = match.end()
        return True

    def _take_each(self, pattern: "re.Pattern[str]") -> bool:
        """Take entries one by one while the pattern fits; whether it fitted any."""
        starts, images = self._starts, self.images
        add_location, add_label, add_values = images.locations.append, images.labels.append, images.values.append
        groups = layouts.GROUPS
        begin = position = self._end
        for match in pattern.finditer(self._text, position):
            location, locations, label, labels, values, valued, other = match.group(*groups)
            if location is None and locations is None:
                break
            try:
                if other is not None:
                    require_unique_names(match[0])
                read = location_of(location, locations)
                read_label = label_of(label, labels)
                read_values = None if values is None and valued is None else values_of(values or valued)
            except Irregular:
                break
            starts.append(position)
            add_location(read)
            add_label(read_label)
            add_values(read_values)
            position = match.end()
        self._end = position
        return position > begin

    def _take_long_way(self, indent: int) -> None:
        """Read one entry of a block list with libyaml."""
        start = self._end
        end = layouts.next_entry(indent).search(self._text, start)
        self._end = end.end() if end else len(self._text)
        self._lines += self._text.count("\n", self._counted, start)
        self._counted, line = start, self._lines + 1
        entry = self._text[start : self._end]
        if _ANCHOR.search(entry):  # aliases may repeat it in other entries
            raise Irregular
        tree = parse(entry, line, self._problems, self._budget)
        if not (isinstance(tree, Sequence) and len(tree.items) == 1):
            raise Irregular
        for _ in range(tree.items[0].line - line):
            start = self._text.index("\n", start) + 1
        self._starts.append(start)
        add_image(self.images, tree.items[0], self._problems)

    def _line(self, index: int, key: str) -> int:
        start = self._starts[index]
        end = self._starts[index + 1] if index + 1 < len(self._starts) else self._end
        found = re.compile(rf"[\s{{,-][\"']?{key}[\"']?:").search(self._text, start, end) if key else None
        return self._text.count("\n", 0, found.end() if found else start) + 1
