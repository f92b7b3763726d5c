"""Mutated files are inferred or refused: a sample of what ``benchmarks.fuzz_onnx`` does for hours."""

import subprocess
import sys
from pathlib import Path

from tests.small_run import PROJECT


def test_mutated_files_neither_crash_nor_hang(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.fuzz_onnx", "--inputs", "300", "--seed", "7", "--keep", str(tmp_path)]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
    tried, inferred, refused = (int(word) for word in ended.stdout.split() if word.isdigit())
    assert tried == 300 == inferred + refused
    assert inferred > 0
    assert refused > 0
