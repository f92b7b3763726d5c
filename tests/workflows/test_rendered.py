"""The rendered workflows of the repository: up to date, and valid for the tools that a cluster's people use."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflows.argo_schemas import validate, write_schema
from workflows.golden import FOLDER, golden

PROJECT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(golden()))
def test_golden_file_is_what_the_code_renders(name):
    assert (FOLDER / name).read_text() == golden()[name], "run python -m workflows.golden and look at the difference"


def test_golden_folder_holds_nothing_else():
    assert {path.name for path in FOLDER.iterdir()} == set(golden())


def test_render_prints_a_golden_file():
    options = "--dataset s3://data/isic/isic.yml --model s3://models/unet --run s3://runs/isic-1"
    options += " --shards 16 --parallelism 4 --image registry.example.org/imaging:1.0"
    command = [sys.executable, "-m", "workflows.distributed_inference", "render", *options.split()]
    printed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout

    assert printed == (FOLDER / "run.yaml").read_text()


@pytest.mark.parametrize("tool", ["argo"], indirect=True)
def test_argo_lint_finds_nothing(tool):
    subprocess.run([tool, "lint", "--offline", "--no-color", FOLDER], check=True)


@pytest.mark.parametrize("tool", ["argo"], indirect=True)
def test_argo_lint_would_find_a_mistake(tool, tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text((FOLDER / "run.yaml").read_text().replace("withParam", "withParams"))

    assert subprocess.run([tool, "lint", "--offline", wrong], capture_output=True).returncode != 0


@pytest.fixture(scope="session")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_schema(tmp_path_factory.mktemp("schema"), "workflows")


@pytest.mark.parametrize("tool", ["kubeconform"], indirect=True)
def test_the_full_crd_of_argo_accepts_them(tool, schema):
    checked = validate(tool, schema, FOLDER)

    assert checked.returncode == 0, checked.stdout
    assert f"Valid: {len(golden())}, Invalid: 0, Errors: 0, Skipped: 0" in checked.stdout


@pytest.mark.parametrize("tool", ["kubeconform"], indirect=True)
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("retryPolicy:", "retryPolicies:"),
        ("parallelism: 4", "parallelism: '4'"),
        ("depends: split", "depends: [split]"),
    ],
)
def test_the_full_crd_of_argo_would_find_a_mistake(tool, schema, tmp_path, right, wrong):
    text = (FOLDER / "run.yaml").read_text()
    assert right in text
    (tmp_path / "wrong.yaml").write_text(text.replace(right, wrong))

    assert validate(tool, schema, tmp_path / "wrong.yaml").returncode != 0
