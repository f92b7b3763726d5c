"""Argo 3.7's full CRDs as JSON schemas that allow no unknown field, for kubeconform."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

CLUSTER = Path(os.environ.get("CLUSTER_HOME", "/var/tmp/dev-cluster"))  # noqa: S108 - where ../shared/cluster builds
CRDS = CLUSTER / "src/manifests/base/crds/full"


def write_schema(folder: Path, plural: str) -> Path:
    """The schema of a kind, such as ``workflows``; the test is skipped where the CRDs are not."""
    crd = CRDS / f"argoproj.io_{plural}.yaml"
    if not crd.is_file():
        pytest.skip(f"{crd} is not here; ../shared/cluster/build makes it, below $CLUSTER_HOME")
    versions = yaml.load(crd.read_text(), yaml.CSafeLoader)["spec"]["versions"]
    strict = _strict(next(each["schema"]["openAPIV3Schema"] for each in versions if each["name"] == "v1alpha1"))
    # The CRD leaves the standard object metadata to the API server.
    strict["properties"]["metadata"] = {"type": "object"}
    path = folder / f"{plural}.json"
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


def validate(tool: str, schema: Path, *files: Path) -> "subprocess.CompletedProcess[str]":
    """Let kubeconform look at files or folders."""
    command = [tool, "-strict", "-summary", "-schema-location", str(schema), *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True)
