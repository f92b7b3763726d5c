"""What docs/ tells operators: complete, and made of commands that there are."""

import re
import shlex
from pathlib import Path

import pytest

from imaging_core import errors
from workflows.command_line import parser

DOCS = Path(__file__).parents[2] / "docs"
KILLED = 137
"""By the system: no code of ours."""


def test_every_exit_code_is_explained_and_no_other():
    text = (DOCS / "operate.md").read_text().partition("## Exit codes")[2]
    explained = {int(code): what for code, what in re.findall(r"^\| (\d+) \|([^|]+)\|", text, re.MULTILINE)}
    ours = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    assert set(explained) == ours | {KILLED}
    assert all(what.strip() for what in explained.values())


def commands():
    """Every whole command line of ours in a block of a document: its document and its words."""
    found = []
    for document in sorted(DOCS.glob("*.md")):
        text = re.sub(r"\s*\\\n\s*", " ", document.read_text())
        for line in re.findall(r"^    python -m workflows\.distributed_inference (.*)$", text, re.MULTILINE):
            words = shlex.split(line.replace("sha256:…", f"sha256:{'0' * 64}"), comments=True)
            found.append(pytest.param(words, id=f"{document.name}: {words[0]}"))
    return found


@pytest.mark.parametrize("words", commands())
def test_a_command_in_a_document_is_one_that_there_is(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parser().parse_args(words).main
