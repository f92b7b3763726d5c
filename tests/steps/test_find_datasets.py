"""``steps.find_datasets``: which dataset files have no report yet."""

import hashlib
import json
from pathlib import Path

import pytest

from imaging_core import run
from imaging_core.store import Location, open_store
from steps.find_datasets import main


@pytest.fixture
def incoming(tmp_path: Path) -> Path:
    folder = tmp_path / "incoming"
    (folder / "ward 2").mkdir(parents=True)
    (folder / "a.yml").write_text("name: a\n")
    (folder / "ward 2" / "b.yaml").write_text("name: b\n")
    (folder / "image.png").write_bytes(b"none")
    return folder


def found(incoming: Path, *options: str) -> dict[str, str]:
    outputs = incoming.parent / "outputs"
    runs = incoming.parent / "runs"
    assert main(["--datasets", str(incoming), "--runs", str(runs), "--outputs", str(outputs), *options]) == 0
    return {each["dataset"]: each["run"] for each in json.loads((outputs / "new").read_text())}


def report(where: str) -> None:
    open_store(Location.parse(where)).put(run.METRICS, b"{}")


def test_a_run_is_named_by_the_digest_of_its_dataset_file(incoming):
    new = found(incoming)
    assert sorted(new) == [str(incoming / "a.yml"), str(incoming / "ward 2" / "b.yaml")]
    digest = hashlib.sha256(b"name: a\n").hexdigest()[:16]
    assert new[str(incoming / "a.yml")] == str(incoming.parent / "runs" / digest)


def test_what_has_a_report_is_not_named_again_nor_are_its_copies(incoming):
    report(found(incoming)[str(incoming / "a.yml")])
    (incoming / "copy of a.yml").write_text("name: a\n")
    assert list(found(incoming)) == [str(incoming / "ward 2" / "b.yaml")]


def test_two_new_copies_are_one_run(incoming):
    (incoming / "c.yml").write_text("name: a\n")
    assert len(found(incoming)) == 2


def test_a_run_that_was_begun_without_a_report_is_named_again_and_continues(incoming):
    before = found(incoming)
    open_store(Location.parse(before[str(incoming / "a.yml")])).put(run.SHARD_INDEX, b"{}")
    assert found(incoming) == before


def test_a_file_that_was_changed_is_new(incoming):
    for where in found(incoming).values():
        report(where)
    assert not found(incoming)
    (incoming / "a.yml").write_text("name: another\n")
    assert list(found(incoming)) == [str(incoming / "a.yml")]


def test_no_more_are_named_than_asked_for_and_the_rest_is_said(incoming, capsys):
    assert list(found(incoming, "--most", "1")) == [str(incoming / "a.yml")]
    assert "1 to infer, 1 more the next time; 0 inferred already" in capsys.readouterr().out
