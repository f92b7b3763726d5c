"""Files made to crash, hang or fill the memory: a clear error soon, in a process that may use two gibibytes."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from imaging_core.errors import EXIT_DATA

PROJECT = Path(__file__).parents[3]
MEBI = 1024 * 1024
MEMORY = 2048 * MEBI
SECONDS = 60
"""Most take one second; this is what tells a slow machine from a reader that hangs."""


def bomb(first, times, levels):
    lines = [f"a0: &a0 {first}"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * times)}]" for n in range(1, levels)]
    return "\n".join([*lines, f"images: [*a{levels - 1}]\n"])


ALIASES = {
    "a billion laughs": lambda: bomb("[lol, lol, lol, lol, lol, lol, lol, lol]", 10, 12),
    "a long list many times": lambda: f"a: &a [{'x, ' * 50_000}x]\nimages: [{'*a, ' * 50_000}*a]\n",
    "a million aliases": lambda: f"a: &a [x, y]\nimages: [{'*a, ' * 1_000_000}*a]\n",
    "bombs in entries": lambda: (
        "images:\n" + "- [&a [x, x, x], &b [*a, *a, *a], &c [*b, *b, *b], [*c, *c]]\n" * 100_000
    ),
    "an alias of its own list": lambda: "images: &a [*a]\n",
}
NESTED = {
    "brackets": lambda: "images: " + "[" * 100_000,
    "braces": lambda: "images: " + "{a: " * 100_000,
    "only brackets": lambda: "[" * 5_000_000,
    "json": lambda: '{"images": ' + "[" * 1_000_000 + "]" * 1_000_000 + "}",
    "dashes": lambda: "- " * 500_000,
    "dashes in images": lambda: "images:\n  " + "- " * 500_000 + "\n",
    "questions": lambda: "? " * 500_000,
    "indentation": lambda: "images:\n" + "".join(" " * depth + "-\n" for depth in range(3000)),
}
RUBBISH = {
    "random": lambda: os.urandom(20 * MEBI),
    "zeros": lambda: bytes(20 * MEBI),
    "an image": lambda: b"\xff\xd8\xff\xe0\x00\x10JFIF" + os.urandom(MEBI),
    "lines": lambda: os.urandom(5 * MEBI).replace(b"\0", b"\n"),
    "ascii": lambda: bytes(byte % 94 + 33 for byte in os.urandom(MEBI)),
}
HUGE = {
    "a location": lambda: f"images:\n  - {'x' * 200 * MEBI}\n",
    "a location of words": lambda: f"images:\n  - {'x y ' * 20 * MEBI}\n",
    "a location of colons": lambda: f"images:\n  - {'x:' * 50 * MEBI}x\n",
    "a quoted location": lambda: f"images:\n  - '{'x' * 50 * MEBI}'\n",
    "quoted quotes": lambda: f"images:\n  - '{chr(39) * 100 * MEBI}'\n",
    "escapes": lambda: 'images:\n  - "' + "\\n" * 50 * MEBI + '"\n',
    "a label": lambda: f"classes: [a]\nimages:\n  - location: a\n    label: {'x' * 100 * MEBI}\n",
    "a name": lambda: f"name: {'x' * 100 * MEBI}\nimages: [a]\n",
    "a key": lambda: f"{'x' * 100 * MEBI}: 1\nimages: [a]\n",
    "a class": lambda: f"classes: [{'x' * 10 * MEBI}, {'x' * 10 * MEBI}]\nimages: [a]\n",
    "a comment": lambda: f"images:\n  - {'#' * 100 * MEBI}\n",
    "a folded location": lambda: "images:\n  - a\n" + "    b\n" * 2_000_000,
    "a literal block": lambda: "images:\n  - |\n" + "    b\n" * 2_000_000,
    "a number": lambda: f"images: [a]\nsplit: {{test: [{'9' * 5 * MEBI}]}}\n",
    "a number of a class": lambda: f"images: [{{location: a, label: {'9' * 5 * MEBI}}}]\n",
    "a number of images": lambda: f"images: [a]\nsource: {{sha256: a, images: {'9' * 9999}, indices: [0]}}\n",
}
MANY = {
    "the same image": lambda: "images:\n" + "- a\n" * 3_000_000,
    "empty lists": lambda: f"x: [{'[],' * 2_000_000}]\nimages: [a, a]\n",
    "one list": lambda: f"x: [{'a,' * 2_500_000}]\nimages: [a]\n",
    "lines": lambda: "images: [a, a]\n" + "\n" * 12_000_000,
    "keys": lambda: "images: [a, a]\n" + "".join(f"k{n}: \n" for n in range(700_000)),
    "the same key": lambda: "images: [a]\n" + "k:\n" * 1_100_000,
    "entries that fit no pattern": lambda: "images:\n" + "- !!str a\n" * 1_000_000,
    "quotes that never close": lambda: "images:\n" + "- 'a\n" * 2_000_000,
    "lists that never close": lambda: "images:\n" + "- {location: a\n" * 1_000_000,
    "unknown classes": lambda: (
        f"classes: [{', '.join(f'c{n}' for n in range(50_000))}]\nimages:\n"
        + "".join(f"- {{location: a{n}, label: d{n}}}\n" for n in range(100_000))
    ),
}
CASES = [(f"{kind}: {name}", make) for kind, group in [
    ("aliases", ALIASES), ("nested", NESTED), ("rubbish", RUBBISH), ("huge", HUGE), ("many", MANY),
] for name, make in group.items()]  # fmt: skip


@pytest.mark.parametrize("make", [make for _, make in CASES], ids=[name for name, _ in CASES])
def test_a_hostile_file_is_a_clear_error_in_bounded_memory(make, tmp_path):
    data = make()
    (tmp_path / "d.yml").write_bytes(data if isinstance(data, bytes) else data.encode())
    command = [sys.executable, "-m", "steps.split_yaml", "--dataset", str(tmp_path / "d.yml"), "--split", "all"]
    done = subprocess.run(
        [*command, "--shards", "2", "--run", str(tmp_path / "run")],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )
    assert done.returncode == EXIT_DATA, done.stderr[-2000:]
    assert done.stderr.startswith(f"error: {tmp_path}/d.yml")
    assert len(done.stderr) < 12_000
    assert not (tmp_path / "run").exists()
