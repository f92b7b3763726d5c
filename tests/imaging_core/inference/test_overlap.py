"""While one stage waits, the others go on: where one held up another, these tests would wait for ever, and say so."""

import threading

import pytest
import torch
from torch import nn

from imaging_core.inference.task import Task, Truth
from imaging_core.store import Location
from imaging_core.store.memory import MemorySource
from tests.imaging_core.inference.tiles import Brightness, task

pytestmark = pytest.mark.parametrize("make", [2], indirect=True, ids=["side by side"])

CASES = 200
LATE = 150
"""A case that is neither in the first groups nor in the first batches."""

SECONDS = 60


class Gate:
    """Something that the first to come waits for."""

    def __init__(self):
        self.opened, self.held, self.first = threading.Event(), False, threading.Lock()

    def wait(self):
        with self.first:
            mine, self.held = not self.held, True
        if mine:
            assert self.opened.wait(SECONDS), "another stage stood still meanwhile"


def test_computing_goes_on_while_a_result_is_written(make):
    gate, batches = Gate(), []

    class Counting(nn.Conv2d):
        def forward(self, batch):
            batches.append(len(batch))
            if len(batches) == 6:
                gate.opened.set()
            return super().forward(batch)

    made = make("segmentation", Counting(1, 1, 3, padding=1), write=lambda *_: gate.wait())
    made.run(task(position, 1, 1) for position in range(CASES))
    assert_all_done(made, gate)


def test_decoding_goes_on_while_a_batch_is_computed(make):
    gate = Gate()

    class Waiting(Brightness):
        def forward(self, batch):
            gate.wait()
            return super().forward(batch)

    made = make("classification", Waiting())
    decode = made.tiles.decode

    def count(*arguments):
        if made.tiles.given > 2 * 4:
            gate.opened.set()
        return decode(*arguments)

    made.tiles.decode = count
    made.run(task(position, 1, 1) for position in range(CASES))
    assert_all_done(made, gate)


def test_all_that_follows_goes_on_while_a_case_is_decoded(make):
    torch.manual_seed(0)
    gate = Gate()
    made = make("segmentation", nn.Conv2d(1, 1, 3, padding=1), write=lambda key, _: opens(gate, key))
    decode = made.tiles.decode

    def slow(*arguments):
        gate.wait()
        return decode(*arguments)

    made.tiles.decode = slow
    made.run(task(position, 1, 1) for position in range(CASES))
    assert_all_done(made, gate)


def test_all_that_follows_goes_on_while_an_image_is_fetched(make):
    torch.manual_seed(0)
    gate = Gate()

    class Slow(MemorySource):
        def bytes(self, *limits):
            gate.wait()
            return super().bytes(*limits)

    (first,) = task(0, 1, 1).images
    slow = Task(0, "000", (Slow(Location.parse("0.tiles"), first.bytes()),), Truth())
    made = make("segmentation", nn.Conv2d(1, 1, 3, padding=1), write=lambda key, _: opens(gate, key))
    made.run([slow, *(task(position, 1, 1) for position in range(1, CASES))])
    assert_all_done(made, gate)


def assert_all_done(made, gate):
    assert gate.held
    assert len(made.told) == CASES


def opens(gate, key):
    if key.startswith(f"outputs/{LATE}"):
        gate.opened.set()
