"""``steps.compare``: the comparison that the command line makes, as files."""

import json
import re

import pytest

from imaging_core.errors import MissingError, UsageError
from steps.compare import main
from tests.imaging_core.report.synthetic_run import SyntheticRun, classification_records, make_card
from workflows.command_line import main as command_line


@pytest.fixture
def runs(tmp_path):
    """Three runs of the same 80 cases."""
    places = []
    for name in ("first", "second", "third"):
        records = classification_records(80, 300)
        SyntheticRun(records, make_card(), 300, ("cat", "dog", "owl")).write(tmp_path / name)
        places.append(str(tmp_path / name / "run"))
    return places


def test_it_says_and_writes_what_the_command_line_does(runs, tmp_path, capsys):
    first, *others = runs
    assert main(["--first", first, "--others", ", ".join(others), "--patient", "", "--outputs", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert command_line(["compare", *runs, "--save", str(tmp_path / "saved.html")]) == 0
    assert capsys.readouterr().out.startswith(said)
    page = (tmp_path / "comparison.html").read_bytes()
    assert page == (tmp_path / "saved.html").read_bytes()
    assert command_line(["compare", *runs, "--json"]) == 0
    assert json.loads((tmp_path / "comparison.json").read_text()) == json.loads(capsys.readouterr().out)


def test_the_page_shows_under_the_policy_of_argos_server(runs, tmp_path):
    """It allows inline styles, and neither scripts nor pictures of other places."""
    main(["--first", runs[0], "--others", runs[1], "--outputs", str(tmp_path)])
    assert not re.search(r"<script|src=|url\((?!#)", (tmp_path / "comparison.html").read_text())


def test_what_cannot_be_compared_is_said(runs, tmp_path):
    with pytest.raises(MissingError, match="none: holds no run"):
        main(["--first", runs[0], "--others", f"{runs[1]},{tmp_path}/none"])
    with pytest.raises(UsageError, match="is compared with itself; give another run"):
        main(["--first", runs[0], "--others", runs[0]])
