"""The rendered workflows of the repository: up to date, and valid for the tools that a cluster's people use."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from workflows.golden import FOLDER, golden

PROJECT = Path(__file__).parents[2]
CLUSTER = Path(os.environ.get("CLUSTER_HOME", "/var/tmp/dev-cluster"))  # noqa: S108 - where ../shared/cluster builds
CRD = CLUSTER / "src/manifests/base/crds/full/argoproj.io_workflows.yaml"


@pytest.fixture
def tool(request: pytest.FixtureRequest) -> str:
    """The path of a program that the development cluster's build makes."""
    folder = os.environ.get("CLUSTER_BIN", str(CLUSTER / "bin"))
    found = shutil.which(request.param, path=os.pathsep.join([folder, os.environ["PATH"]]))
    if found is None:
        pytest.skip(f"{request.param} is neither in {folder} nor on PATH; ../shared/cluster/build makes it")
    return found


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
    """Argo 3.7's full CRD as a JSON schema that allows no unknown field."""
    if not CRD.is_file():
        pytest.skip(f"{CRD} is not here; ../shared/cluster/build makes it, below $CLUSTER_HOME")
    versions = yaml.load(CRD.read_text(), yaml.CSafeLoader)["spec"]["versions"]
    strict = _strict(next(each["schema"]["openAPIV3Schema"] for each in versions if each["name"] == "v1alpha1"))
    # The CRD leaves the standard object metadata to the API server.
    strict["properties"]["metadata"] = {"type": "object"}
    path = tmp_path_factory.mktemp("schema") / "workflow.json"
    path.write_text(json.dumps(strict))
    return path


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    stricter = {key: _strict(value) for key, value in schema.items()}
    if isinstance(stricter.get("properties"), dict) and stricter.get("type") == "object":
        stricter.setdefault("additionalProperties", False)
    return stricter


def _validate(tool: str, schema: Path, file: Path) -> "subprocess.CompletedProcess[str]":
    command = [tool, "-strict", "-summary", "-schema-location", str(schema), str(file)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("tool", ["kubeconform"], indirect=True)
def test_the_full_crd_of_argo_accepts_them(tool, schema):
    checked = _validate(tool, schema, FOLDER)

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

    assert _validate(tool, schema, tmp_path / "wrong.yaml").returncode != 0
