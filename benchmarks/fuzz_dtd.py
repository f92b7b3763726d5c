"""Feeds mutated and random dataset files to the reader: ``python -m benchmarks.fuzz_dtd --inputs 200000``.

Every input has to be read or refused with a DataError, within a second and half a gibibyte; what is read has to be
what PyYAML's composer reads; and the patterns have to agree with the way through libyaml. Children do the work, so
that a crash is a finding, too; the input of a finding is kept.
"""

import random
import resource
import sys
from functools import partial

from benchmarks.fuzzing import Finding, Fuzzer, Trial
from imaging_core.dataset.document import Document, from_tree
from imaging_core.dataset.dtd import parse_dataset
from imaging_core.dataset.problems import Problems
from imaging_core.dataset.regular import read_regular
from imaging_core.dataset.text import to_text
from imaging_core.dataset.tree import NotReadableError, parse
from imaging_core.errors import DataError
from imaging_core.store import Location
from tests.imaging_core.dataset.plain_reading import read_plainly, same_value
from tests.imaging_core.dataset.random_texts import random_bytes

WHERE = Location("file", "", "/data/dataset.yml")

SEEDS = [
    """\
name: a
description: b
classes:
  - x
  - y
images:
  - location: i/0.jpg
    label: x
  - location: i/1.jpg
    label: '1'
  - location: i/2.jpg
    label: [x, 1]
split:
  training:
    - 0
  test:
    - 1
    - 2
""",
    """\
name: a
images:
- label: m/0.png
  location: i/0 b.jpg
- label: m/1.png
  location: i/1 a very long
    name.jpg
split:
  test: [0,
    1]
""",
    """\
features: [f, g]
images:
  - location: [a.tif, 'b.tif']
    values: [1, ~]
  - location:
      - c.tif
      - d.tif
    values: {f: 2.5, g: h}
  - location: e.tif
    values:
      f: true
      g: '7'
    other: [1, 2]
""",
    """\
images: ["x.jpg", y.jpg, {location: z.jpg, label: 3}, [p.png, q.png]]
split: {test: [0, 1], "b c": []}
""",
    """\
split:
  test:
  - 0
  - 1
images:
  - a.jpg # first

  # comment
  - 'b''c.jpg'
  - "d\\xe9\\u20ac.jpg"
""",
    """\
{"name": "j", "images": [{"location": "a.jpg", "label": 0}, {"location": "b.jpg"}], "split": {"test": [0, 1]}}
""",
    """\
images:
  - {location: a.jpg, label: 0}
  - {label: 1, location: 'b.jpg', values: []}
  - location: http://h/c?d
    label:
  - location: "e"
    label:
      - 0
      - 1
""",
    """\
name: &n a
description: |
  two
  lines
images: &i
  -   location: *n
      label: >-
        m
        n
  - - a
    - b
...
""",
    """\
%YAML 1.1
---
name: !!str 5
images:
  - location: ä/ü.jpg
    label: 007
classes: [null, '~']
split: ~
""",
    """\
images:
  - location: a/0
    label: m/0
  - location: a/1
    label: 'm/1'
  - location: a/2
    label: m/2
  - location: a/3
    label: m/3
    values: [1]
  - location: a/4
    label: m/4
""",
    """\
images: [a, b, c d, 'e', 'f', "g",
  "h", i]
split:
  test:
    - 0
    - 1
  training:
    - 2

  # none
  validation:
""",
    """\
{
  'images': [
    {"location": "a", "label": 0},
    "b"
  ],
  name: x,
  split: {test: [0]}
}
""",
]
PIECES: list[str] = [
    *"\n :,[]{}#'\"\\\t\r|>%@`~é😀\u2028\x85\ufeff\x00\x7f\xa001-",
    *(
        "  ",
        "    ",
        "- ",
        ": ",
        " #",
        "\r\n",
        "&a ",
        "*a",
        "!!str ",
        "!x ",
        "<<: ",
        "? ",
        "---\n",
        "...\n",
        "\n\n\n",
        "  - ",
    ),
    *(
        "null",
        ".nan",
        "NaN",
        "-1",
        "99",
        "1e400",
        "0x1",
        "007",
        "\\u",
        "\\ud83d",
        "\\x41",
        "../",
        "/etc/passwd",
        "//",
        "a: b",
    ),
    *(
        "http://h/",
        "s3://b/k",
        "images:\n",
        "split:\n",
        "label: ",
        "location: ",
        "values: ",
        "test: ",
        "read by patterns",
    ),
    *("[" * 30, "- " * 30, "{a: " * 30, "x" * 5000, "    label: x\n", "  - location: z\n", "'read by patterns'\n"),
]


def mutated(rng: random.Random) -> bytes:
    """A seed with some changes."""
    text = rng.choice(SEEDS)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3, 5, 8))):
        text = _changed(text, rng)
    data = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.1 and data:
        place = rng.randrange(len(data))
        data = data[:place] + rng.randbytes(rng.randint(1, 3)) + data[place + rng.randint(0, 3) :]
    return data


def _changed(text: str, rng: random.Random) -> str:
    start = rng.randint(0, len(text))
    end = min(len(text), start + rng.choice((0, 1, 1, 2, 5, 20)))
    lines = text.splitlines(keepends=True) or [""]
    line = rng.randrange(len(lines))
    match rng.randrange(9):
        case 0 | 1:
            return text[:start] + rng.choice(PIECES) + text[start:]
        case 2:
            return text[:start] + rng.choice(PIECES) + text[end:]
        case 3:
            return text[:start] + text[end:]
        case 4:
            lines.insert(rng.randint(0, len(lines)), lines[line])
        case 5:
            del lines[line]
        case 6:
            lines[line] = " " * rng.randint(0, 6) + lines[line].lstrip(" ")
        case 7:
            lines[line : line + 1] = [lines[line], rng.choice(PIECES) + "\n"]
        case 8:
            other = rng.choice(SEEDS).splitlines(keepends=True)
            lines.insert(line, rng.choice(other))
    return "".join(lines)


def check(data: bytes) -> bool:
    """Whether the reader takes the input; Finding, or any exception, where it does wrong."""
    _check_both_ways(data)
    try:
        dataset = parse_dataset(data, WHERE)
    except DataError as error:
        message = str(error)
        _require(message.startswith(WHERE.path) and len(message) < 10_000, f"poor message {message[:1000]}")
        return False
    plain = read_plainly(to_text(data, ""))
    _require((dataset.name, dataset.description) == (plain.name, plain.description), "other name or description")
    _require((dataset.classes, dataset.features) == (plain.classes, plain.features), "other classes or features")
    _require(dict(dataset.split) == plain.split, "other splits")
    _require([sample.locations for sample in dataset.samples] == plain.locations, "other locations")
    _require([sample.label for sample in dataset.samples] == plain.labels, "other labels")
    for sample, values in zip(dataset.samples, plain.values, strict=True):
        _require(all(map(same_value, sample.values or [None] * len(values), values)), f"other values {values}")
    return True


def _check_both_ways(data: bytes) -> None:
    try:
        text = to_text(data, "")
    except DataError:
        return
    by_patterns = Problems("")
    document = read_regular(text, by_patterns)
    if document is None:
        return
    by_libyaml = Problems("")
    try:
        other = from_tree(parse(text, 1, by_libyaml), by_libyaml)
    except NotReadableError as error:
        raise Finding(f"libyaml refuses what the patterns read: {error}") from error
    _require(by_patterns.shown == by_libyaml.shown, f"other problems {by_patterns.shown}, {by_libyaml.shown}")
    _require(_comparable(document) == _comparable(other), "other content by patterns than by libyaml")


def _require(right: bool, otherwise: str) -> None:
    if not right:
        raise Finding(otherwise)


def _comparable(document: Document) -> object:
    images, split = document.images, document.split
    lines = [images.line(index, "no such key") for index in range(len(images.locations))]
    places = {name: [split.line(name, place) for place in range(len(split.indices[name]))] for name in split.indices}
    return document.head.items, images.locations, images.labels, images.values, split.indices, places, lines


def draw(rng: random.Random) -> tuple[bytes, Trial]:
    """A dataset file, and that it is checked."""
    data = mutated(rng) if rng.random() < 0.5 else random_bytes(rng)
    return data, partial(check, data)


FUZZER = Fuzzer(
    "benchmarks.fuzz_dtd",
    __doc__,
    ".yml",
    draw,
    memory=1024 * 1024 * 1024,
    limit=resource.RLIMIT_AS,
    seconds=1.0,
    batch=2000,
    nothing="no crash, no hang, no disagreement",
)


if __name__ == "__main__":
    sys.exit(FUZZER.main())
