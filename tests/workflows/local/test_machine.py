"""What the machine offers, asked of a real process environment."""

import os

import pytest

from workflows.local.machine import gpus, usable_cores

TWO_GPUS = """GPU 0: NVIDIA H200 (UUID: GPU-1f0c)
GPU 1: NVIDIA H200 (UUID: GPU-2a3b)
"""
ONE_CUT_UP = """GPU 0: NVIDIA A100 (UUID: GPU-1f0c)
  MIG 3g.20gb     Device  0: (UUID: MIG-aaaa)
  MIG 3g.20gb     Device  1: (UUID: MIG-bbbb)
GPU 1: NVIDIA A100 (UUID: GPU-2a3b)
"""


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """Puts a program of that name, which prints a text, alone on PATH."""

    def install(text: str, code: int = 0) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\nwhile IFS= read -r line; do echo \"$line\"; done <<'E'\n{text}E\nexit {code}\n")
        program.chmod(0o755)

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return install


def test_no_gpus_without_nvidias_driver(nvidia_smi):
    assert gpus() == []


@pytest.mark.parametrize(("shown", "names"), [(TWO_GPUS, ["0", "1"]), (ONE_CUT_UP, ["MIG-aaaa", "MIG-bbbb", "1"])])
def test_gpus_are_what_the_driver_shows(nvidia_smi, shown, names):
    nvidia_smi(shown)

    assert gpus() == names


def test_no_gpus_when_the_driver_fails(nvidia_smi):
    nvidia_smi("Failed to initialize NVML\n", code=9)

    assert gpus() == []


@pytest.mark.parametrize(
    ("visible", "names"), [("1", ["1"]), ("GPU-2a3b, 0", ["GPU-2a3b", "0"]), ("", []), ("-1", []), ("0,-1,1", ["0"])]
)
def test_the_environments_choice_comes_first(nvidia_smi, monkeypatch, visible, names):
    nvidia_smi(TWO_GPUS)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    assert gpus() == names


def test_usable_cores_are_those_of_this_process():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert 1 <= usable_cores() <= len(allowed)
