"""python -m steps.check: what a pod would find."""

import hashlib
import json
from pathlib import Path

import pytest

from steps.check import main
from tests.e2e.conftest import make_dataset, make_model


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("check")
    make_dataset(folder / "data", range(3))
    make_model(folder / "model")
    return folder


def digests(place: Path) -> list[str]:
    dataset, model = ((place / name).read_bytes() for name in ("data/cells.yml", "model/model.yaml"))
    found = [hashlib.sha256(data).hexdigest() for data in (dataset, model)]
    return ["--dataset-sha256", found[0], "--model-sha256", found[1]]


def check(place: Path, outputs: Path, *options: str) -> tuple[int, dict[str, str | None]]:
    given = ["--dataset", f"{place}/data/cells.yml", "--model", f"{place}/model", "--run", f"{place}/run"]
    code = main([*given, "--outputs", str(outputs), *options])
    return code, {each["what"]: each["error"] for each in json.loads((outputs / "found").read_text())}


def test_all_is_well_and_nothing_is_left_behind(place, tmp_path):
    assert check(place, tmp_path, *digests(place)) == (0, {"dataset": None, "model": None, "run": None})
    assert not [path for path in (place / "run").rglob("*") if path.is_file()]


def test_every_error_is_said_not_only_the_first(place, tmp_path, capsys):
    options = ("--dataset", "/none.yml", "--model", "/none", "--run", f"{place}/data/cells.yml/run")
    code, found = check(place, tmp_path, *options)
    assert code == 65
    assert "/none.yml: no such file" in (found["dataset"] or "")
    assert "no model bundle here" in (found["model"] or "")
    assert "cannot be written" in (found["run"] or "")
    assert capsys.readouterr().out.count("error: ") == 3


def test_another_dataset_at_the_same_place_is_noticed(place, tmp_path):
    code, found = check(place, tmp_path, "--dataset-sha256", "0" * 64)
    assert code == 65
    assert "the dataset here is not the one that was asked for (SHA-256 " in (found["dataset"] or "")
