"""What the built step images hold and do, as Kubernetes runs them: by user 10001, with a read-only root."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from containers import build
from imaging_core import __version__

PROJECT = Path(__file__).parents[2]
MEGABYTE = 1_000_000
STEPS = {"core": ("split_yaml", "gather", "check"), "gpu": ("infer", "train", "bundle")}
BASE = "localhost/python:3.11-bookworm"


@pytest.fixture(scope="module")
def images() -> dict[str, str]:
    given = os.environ.get("STEP_IMAGES")
    if not given or shutil.which("podman") is None:
        pytest.skip("STEP_IMAGES=PREFIX:TAG names no images, or podman is not on PATH")
    prefix, _, tag = given.rpartition(":")
    return {name: f"{prefix}/{name}:{tag}" for name in build.OFFERED}


def podman(*arguments: str) -> str:
    said = subprocess.run(["podman", *arguments], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    return said.stdout


def run(image: str, *command: str, entrypoint: str | None = None) -> str:
    limits = ["--ulimit=nofile=20000:20000", "--ulimit=nproc=20000:20000"]
    start = [] if entrypoint is None else ["--entrypoint", entrypoint]
    options = ["--rm", "--runtime=runc", "--read-only", "--tmpfs=/tmp", "--network=none", *limits, *start]
    return podman("run", *options, image, *command)


def python(image: str, code: str) -> str:
    return run(image, "-c", code, entrypoint="python").strip()


def config(image: str) -> dict:
    (found,) = json.loads(podman("image", "inspect", image))
    return found


@pytest.mark.parametrize(("name", "step"), [(name, step) for name, steps in STEPS.items() for step in steps])
def test_every_step_starts(images, name, step):
    assert run(images[name], f"steps.{step}", "--help").startswith(f"usage: python -m steps.{step}")


@pytest.mark.parametrize("name", STEPS)
def test_versions_are_the_pinned_ones(images, name):
    found = "{each.name.lower(): each.version for each in distributions()}"
    code = f"import json; from importlib.metadata import distributions; print(json.dumps({found}))"
    installed = json.loads(python(images[name], code))
    text = (PROJECT / f"requirements/{name}.txt").read_text()
    pinned = dict(re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.M))
    assert installed
    assert {key: pinned.get(key.replace("_", "-"), pinned.get(key)) for key in installed} == installed
    assert python(images[name], "import imaging_core; print(imaging_core.__version__)") == __version__


def test_core_has_no_torch_and_is_small(images):
    assert "torch" not in run(
        images["core"],
        "-c",
        "import os; print(os.listdir('/opt/venv/lib/python3.11/site-packages'))",
        entrypoint="python",
    )
    beyond = config(images["core"])["Size"] - config(BASE)["Size"]
    assert beyond <= 350 * MEGABYTE


def test_gpu_brings_cuda_and_computes_without_a_gpu(images):
    code = "import torch; print(torch.version.cuda is not None, (torch.ones(2, 2) @ torch.ones(2, 2)).sum().item())"
    assert python(images["gpu"], code) == "True 8.0"


@pytest.mark.parametrize(("name", "devices"), [("core", "void"), ("gpu", "all")])
def test_user_environment_and_labels(images, name, devices):
    found = config(images[name])["Config"]
    assert found["User"] == "10001:10001"
    assert f"NVIDIA_VISIBLE_DEVICES={devices}" in found["Env"]
    assert ("NVIDIA_DRIVER_CAPABILITIES=compute,utility" in found["Env"]) is (name == "gpu")
    assert found["Entrypoint"] == ["python", "-m"], "no shell"
    labels = found["Labels"]
    assert labels["org.opencontainers.image.version"] == __version__
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels["org.opencontainers.image.revision"])
    code = "import os, pwd; print(os.getuid(), pwd.getpwuid(os.getuid()).pw_name)"
    assert python(images[name], code) == "10001 inference"


@pytest.mark.parametrize("name", STEPS)
def test_no_bytecode_and_one_date(images, name):
    code = """
import os
dates, bytecode = set(), []
for folder, _, files in os.walk("/opt"):
    for file in files:
        path = os.path.join(folder, file)
        dates.add(int(os.lstat(path).st_mtime))
        bytecode += [path] if file.endswith(".pyc") else []
print(dates, bytecode)
"""
    assert python(images[name], code) == f"{{{build.TIMESTAMP}}} []"


@pytest.mark.parametrize("name", STEPS)
def test_the_list_of_what_is_in_it_is_in_it(images, name):
    listed = json.loads(python(images[name], "print(open('/opt/sbom.cdx.json').read())"))
    assert listed["bomFormat"] == "CycloneDX"
    found = {each["name"].lower(): each["version"] for each in listed["components"]}
    assert found["numpy"] == python(images[name], "import numpy; print(numpy.__version__)")
    assert ("torch" in found) is (name == "gpu")
    debian = python(images[name], "print(open('/opt/sbom.debian.txt').read())")
    assert re.search(r"^libc6 \S+$", debian, re.M)


def test_the_same_source_gives_the_same_layers(images):
    """The layers of core, built twice without any that were built before."""
    layers = []
    for tag in ("once", "twice"):
        command = [
            "python3",
            "-m",
            "containers.build",
            "core",
            "--base-image",
            BASE,
            "--prefix",
            f"localhost/reproduced-{tag}",
            "--no-cache",
        ]
        subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
        names = [
            name
            for name in podman("images", "--format", "{{.Repository}}:{{.Tag}}").split()
            if f"reproduced-{tag}/" in name
        ]
        layers.append(config(next(name for name in names if "/core:" in name))["RootFS"]["Layers"])
        podman("rmi", "-f", *names)
    assert layers[0] == layers[1]


def test_a_toolkit_has_compilers_and_developers_tools(images):
    for name in ("core-toolkit", "gpu-toolkit"):
        assert "gcc" in run(images[name], "--version", entrypoint="gcc")
        assert "pytest" in run(images[name], "pytest", "--version")
        assert "mypy" in run(images[name], "mypy", "--version")
