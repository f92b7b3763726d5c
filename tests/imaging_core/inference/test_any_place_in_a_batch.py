"""What a model says of an input depends neither on its place in the batch nor on its neighbours, to the last bit."""

import subprocess
import sys

import pytest

from tests.small_run import PROJECT

CODE = """
import sys, torch
from imaging_core.inference.device import fix_algorithms

fix_algorithms(int(sys.argv[1]), "fp32")
torch.manual_seed(0)
for classes in range(1, 13):
    last = torch.nn.Linear(84, classes)
    one = torch.rand(84)
    with torch.inference_mode():
        said = []
        for place in range(4):
            batch = torch.rand(4, 84)
            batch[place] = one
            said.append(last(batch)[place])
    print(classes, all(torch.equal(said[0], each) for each in said))
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_every_place_gives_the_same_bits(threads, monkeypatch):
    """In a process of its own, as a step is one: MKL asks once how exact it is to be."""
    monkeypatch.delenv("MKL_CBWR", raising=False)
    command = [sys.executable, "-c", CODE, str(threads)]
    said = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    assert said.splitlines() == [f"{classes} True" for classes in range(1, 13)]
