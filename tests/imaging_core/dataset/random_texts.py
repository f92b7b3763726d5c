"""Dataset files in layouts that people and programs write, and what becomes of them when a byte goes wrong."""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from random import Random
from typing import Any

import yaml

AWKWARD = (
    *(
        "a: b",
        "a:b",
        "x#y",
        "x #y",
        "- z",
        "-z",
        "1e5",
        "0x1F",
        "0o7",
        ".5",
        "-5",
        "+5",
        "~",
        "null",
        "Null",
        "yes",
        "on",
    ),
    *("true", "2001-01-01", "12:30:00", "1_000", "[a]", "{a}", "a, b", "a,b", "it's", "'q'", '"q"', 'say "x"', "é"),
    *("日本/画像", "a\u2028b", "a\u0085b", "a\tb", "\t", " lead", "trail ", "*a", "&a", "&a b", "!a", "!!int 5"),
    *("%a", "@a", "`a", "|", ">", "?", "? a", "-", ":", "::", "a:", ":a", "#a", "...", "---", "--- a", "a ", "<<", "="),
    *("../x.png", "./x.png", "/d/x.png", "~/x.png", ".hidden", "a//b", "a\\b", "http://h/a?b=1#c", "s3://bucket/key"),
    *("https://h:8080/x%20y", "\U0001f600", ".nan", "-.inf", "1e999", "9" * 30, "images:", "images: []", "split:", ""),
    *("location: x", "a b  c", "name with (brackets) & more", "\u00a0", "\ufeffx", "\x1b"),
)
Text = Callable[[], str]
KEYS = ("location", "label", "values")
LABELS = {"class": ["cat", "dog", "0", "1", "'1'", "cat"], "mask": [], "none": ["", "null", "~"]}


def random_text(rng: Random) -> str:
    """A whole file; most are datasets, the others nearly."""
    return _dumped(rng) if rng.random() < 0.15 else _File(rng).text()


def mutated(rng: Random, text: str) -> str:
    """The text with up to three small accidents."""
    for _ in range(rng.randrange(1, 4)):
        if not text:
            return text
        at = rng.randrange(len(text))
        lines = text.split("\n")
        line = rng.randrange(len(lines))
        match rng.randrange(7):
            case 0:
                text = text[:at] + text[at + 1 :]
            case 1:
                text = text[:at] + rng.choice("\n :#-'\"[]{},&*!|>%@`?~\t\r\\0x\u0085\u2028é\ufeff\x00") + text[at:]
            case 2:
                text = text[:at] + rng.choice(AWKWARD) + text[at + rng.randrange(4) :]
            case 3:
                text = "\n".join(lines[:line] + lines[line + 1 :])
            case 4:
                text = "\n".join([*lines[:line], lines[line], *lines[line:]])
            case 5:
                text = "\n".join([*lines[:line], rng.choice(["  ", "    ", " "]) + lines[line], *lines[line + 1 :]])
            case _:
                text = "\n".join([*lines[:line], lines[line][rng.randrange(3) :], *lines[line + 1 :]])
    return text


def random_bytes(rng: Random) -> bytes:
    """A file as a fuzzer wants it: mutated, in other encodings, cut short, or rubbish."""
    if rng.random() < 0.02:
        return rng.randbytes(rng.randrange(200))
    text = random_text(rng)
    if rng.random() < 0.5:
        text = mutated(rng, text)
    if rng.random() < 0.1:
        text = text.replace("\n", rng.choice(["\r\n", "\r", "\n\n"]))
    data = text.encode(rng.choice(["utf-16", "latin-1"]) if rng.random() < 0.02 else "utf-8", "replace")
    if rng.random() < 0.1:
        data = b"\xef\xbb\xbf" + data
    if rng.random() < 0.05:
        at = rng.randrange(len(data) + 1)
        more = rng.choice([b"", rng.randbytes(3), b"[" * rng.choice([3, 30, 3000]), b"- " * 50, b"  " * 400])
        data = data[:at] + more + data[at:] * rng.randrange(2)
    return data


class _File:
    """Writes one file: how odd it is, what its labels are and how it is laid out is the same all through it."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._odd = rng.choice([0, 0, 0, 0.02, 0.1, 0.4])
        self._labels = rng.choice([*LABELS])
        self._paths = 0
        self._images = rng.choice([1, 2, 5, 9])

    def text(self) -> str:
        rng = self._rng
        sections = [self._head(name) for name in rng.sample(["name", "description", "other"], rng.randrange(4))]
        if self._labels == "class":
            sections.append(
                rng.choice(["classes: [cat, dog]\n", "classes:\n- cat\n- dog\n", "classes:\n  - cat\n  - dog\n"])
            )
        sections.append(rng.choice(["features: [a, b]\n", "features:\n  - a\n  - b\n"]))
        sections.append(self._image_section())
        if rng.random() < 0.8:
            sections.append(self._split())
        if rng.random() < 0.3:
            rng.shuffle(sections)
        start = self._oddly(["---\n", "# a comment\n", "\n", "--- # x\n", "%YAML 1.1\n---\n", " "])
        between = [
            section + self._oddly(["\n", "# between\n", "  # between\n", "\n\n", "\t\n"]) for section in sections
        ]
        return start + "".join(between) + self._oddly(["...\n", "---\n", "--- a\n", "# end", " a"])

    def _oddly(self, choices: Sequence[str], usual: str = "") -> str:
        return self._rng.choice(choices) if self._rng.random() < self._odd else usual

    def _path(self) -> str:
        self._paths += 1
        folder = self._rng.choice(["images", "a b", "x/y", "a: b/c"] if self._odd else ["images", "a b"])
        return f"{folder}/{self._paths:03d}.{self._rng.choice(['png', 'jpg', 'nii'])}"

    def _scalar(self, text: str) -> str:
        rng = self._rng
        text = self._oddly(AWKWARD, text)
        style = rng.random()
        if style < 0.6:
            return text
        if style < 0.8:
            return "'" + text.replace("'", "''") + "'"
        if style < 0.95 or rng.random() > self._odd:
            return json.dumps(text, ensure_ascii=rng.random() < 0.5)
        odd = [
            f"&x {text}",
            "*x",
            f"! {text}",
            f"!!str {text}",
            f"{text}\n      more",
            f"|\n      {text}",
            f">-\n      {text}",
        ]
        return rng.choice(odd)

    def _any(self) -> str:
        return self._scalar(self._rng.choice(["cat", "5", "1.5", "true", "null", self._path()]))

    def _flow(self, item: Callable[[], str], count: int) -> str:
        rng = self._rng
        between = rng.choice([", ", ", ", ",", ",\n      ", " , "])
        pad, end = self._oddly([" ", "\n      "]), self._oddly([",", ", "])
        return f"[{pad}{between.join(item() for _ in range(count))}{end}{pad}]"

    def _block(self, item: Callable[[], str], column: str, count: int) -> str:
        inner = column + self._rng.choice(["", "  ", "  ", "    "])
        dash = self._rng.choice(["- ", "- ", "-   "])
        return "".join(f"\n{inner}{self._oddly([' ', '  '])}{dash}{item()}" for _ in range(count))

    def _list(self, item: Callable[[], str], column: str, count: int) -> str:
        return f" {self._flow(item, count)}" if self._rng.random() < 0.5 else self._block(item, column, count)

    def _head(self, name: str) -> str:
        odd = [
            f"{name}: |\n  images:\n    - x.png\n",
            f"{name}: 'x\n  images:\n   - y'\n",
            f'{name}: "a\nimages:\n- b.png\n"\n',
            "? more\n: less\n",
            "images2: [a]\n",
            f"{self._any()}: {self._any()}\n",
        ]
        return self._oddly(odd, f"{name}: {self._scalar('some words')}\n")

    def _image_section(self) -> str:
        rng = self._rng
        kind = rng.random()
        if kind < 0.1:
            return f"images: {self._flow(lambda: self._scalar(self._path()), self._images)}\n"
        if kind < 0.2:
            return f"images: {self._flow(self._flow_map, self._images)}\n"
        indent, gap = " " * rng.choice([0, 2, 2, 4]), " " * rng.choice([1, 1, 1, 3])
        keys = list(KEYS if rng.random() < 0.4 else KEYS[:2])
        if rng.random() < 0.5:
            rng.shuffle(keys)
        block: Text = lambda: self._map(indent + " " + gap, keys)  # noqa: E731 - one of three of its kind
        known: list[Text] = [self._flow_map, block, lambda: self._scalar(self._path())]
        ways = rng.choices(known, k=rng.choice([1, 1, 1, 2]))
        entries = ""
        for _ in range(self._images):
            entry = self._oddly(["null", "", "- - a", "&y a", "*y", f"[{self._path()}]"], rng.choice(ways)())
            end = self._oddly([" ", " # a comment", "\t", "\n", "\n# a comment", f"\n{indent}   # deep"])
            entries += f"{indent}{self._oddly(['', '', ' '])}-{gap}{entry}{end}\n"
        return f"images:{self._oddly([' ', ' # all'])}\n{entries}"

    def _map(self, column: str, keys: Sequence[str]) -> str:
        pieces = [f"{key}:{self._oddly([' ', ''])}{self._field(key, column)}" for key in keys]
        pieces += [self._oddly(["id: 5", "label: 0", "<<: *x", "location: q", "id:", "other: [a]"])]
        return f"\n{column}".join(filter(None, pieces))

    def _field(self, key: str, column: str) -> str:
        rng = self._rng
        if key == "values":
            named = "".join(f"\n{column}  {name}: {self._any()}" for name in "ab")
            flow = f" {{a: {self._any()}, b: {self._any()}}}"
            return self._list(self._any, column, 2) if rng.random() < 0.7 else rng.choice([named, flow])
        if key == "location":
            planes = rng.choice([0, 0, 0, 1, 2])
            item: Text = lambda: self._scalar(self._path())  # noqa: E731 - one of three of its kind
            return self._list(item, column, planes) if planes else f" {item()}"
        several = self._labels == "class" and rng.random() < 0.2
        return self._list(self._label, column, 2) if several else f" {self._label()}"

    def _label(self) -> str:
        return (
            self._scalar(self._path())
            if self._labels == "mask"
            else self._oddly(AWKWARD, self._rng.choice(LABELS[self._labels]))
        )

    def _flow_map(self) -> str:
        rng = self._rng
        quote = rng.choice(["", "", '"'])
        keys = rng.sample(KEYS, 3) if rng.random() < 0.4 else list(KEYS[: rng.randrange(1, 4)])
        between = rng.choice([", ", ", ", ",\n     ", ","])
        colon = rng.choice([": ", ": ", ":"]) if quote else ": "
        values: dict[str, Text] = {
            "location": lambda: self._scalar(self._path()),
            "label": self._label,
            "values": lambda: self._flow(self._any, 2),
        }
        return "{" + between.join(f"{quote}{key}{quote}{colon}{values[key]()}" for key in keys) + "}"

    def _split(self) -> str:
        rng = self._rng
        names = rng.sample(["training", "validation", "test", "'a b'", "x", "5", '"q"'], rng.randrange(1, 4))
        if rng.random() < 0.1:
            return f"split: {{{', '.join(f'{name}: {self._flow(self._index, 1)}' for name in names)}}}\n"
        text = "split:\n"
        for name in names:
            left = iter(rng.sample(range(self._images), self._images))
            listed = self._list(partial(self._index, left), "  ", rng.randrange(1, self._images + 1))
            text += (
                f"  {name}:{self._oddly(['', ' 5', ' []', ' null'], listed)}\n{self._oddly([chr(10), '# x' + chr(10)])}"
            )
        return text

    def _index(self, left: Iterator[int] | None = None) -> str:
        odd = ["-1", "'1'", "x", "007", "1.0", "1e1", "+1", "0x1", "", "null", "99", "9" * 25]
        return self._oddly(odd, str(0 if left is None else next(left)))


def _dumped(rng: Random) -> str:
    """As programs write: PyYAML in its styles, or JSON."""
    file = iter(range(9))
    shared = [0, 1]
    entries: list[Any] = []
    labels: list[Any] = rng.choice([[0, "1", "cat", shared], [None]])
    for _ in range(rng.randrange(1, 6)):
        path = f"a folder/with a long name/that goes on/{next(file)}{rng.choice(['.png', *AWKWARD])}"
        entry: dict[str, Any] = {"location": path if rng.random() < 0.9 else [path, rng.choice(AWKWARD) or "x"]}
        entry |= {"label": rng.choice(labels)} if rng.random() < 0.8 else {}
        entry |= {"values": rng.choice([[1, None, "x"], {"a": 1.5}, [True, 1e20, ""]])} if rng.random() < 0.3 else {}
        entries.append(path if rng.random() < 0.2 else entry)
    dataset = {
        "name": rng.choice(AWKWARD),
        "description": rng.choice(AWKWARD) * rng.choice([1, 1, 9]),
        "classes": ["cat", "dog"],
        "features": ["a", "b"],
        "images": entries,
        "split": {"training": [0], "test": list(range(1, len(entries)))},
    }
    for key in rng.sample(["name", "description", "split"], rng.randrange(3)):
        del dataset[key]
    if rng.random() < 0.3:
        return json.dumps(dataset, ensure_ascii=rng.random() < 0.5, indent=rng.choice([None, None, 2]))
    return yaml.dump(
        dataset,
        Dumper=yaml.CSafeDumper,
        sort_keys=rng.random() < 0.5,
        default_flow_style=rng.choice([False, False, None, True]),
        allow_unicode=rng.random() < 0.5,
        indent=rng.choice([2, 4]),
        width=rng.choice([40, 80, 10_000]),
    )
