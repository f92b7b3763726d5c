"""When memory runs out: for one case, for a batch, for all that is under way."""

import threading

import numpy as np
import pytest
import torch
from torch import nn

from imaging_core.decode.case import Case, CaseError, ModelInput, Place
from imaging_core.errors import TemporaryError
from imaging_core.inference import pipeline, prefetch
from imaging_core.inference.head import Outcome
from imaging_core.inference.result import Result
from imaging_core.inference.task import Task, Truth
from tests.imaging_core.inference.tiles import SIDE, Brightness, task


def test_a_case_that_found_no_memory_beside_others_is_done_after_them_with_the_same_result(make):
    torch.manual_seed(1)
    network = nn.Conv2d(1, 1, 3, padding=1)
    undisturbed, short = make("segmentation", network), make("segmentation", network)
    decode, told_before = short.tiles.decode, []

    def hungry(sources, channels, limits):
        if sources[0].location.name == "1.tiles":
            told_before.append(len(short.told))
            if len(told_before) == 1:
                raise MemoryError
        return decode(sources, channels, limits)

    short.tiles.decode = hungry
    tasks = [task(position, 1, 2) for position in range(9)]
    undisturbed.run(tasks)
    short.run(tasks)
    assert told_before[1] == 8
    assert short.files == undisturbed.files


@pytest.mark.parametrize("stage", ["compute", "write"])
def test_when_memory_runs_out_for_all_what_is_under_way_is_done_one_by_one(make, stage):
    torch.manual_seed(1)
    network = nn.Conv2d(1, 1, 3, padding=1)

    class Short(nn.Module):
        calls = 0

        def forward(self, batch):
            self.calls += 1
            if stage == "compute" and self.calls == 2:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")
            return network(batch)

    undisturbed, short = make("segmentation", network), make("segmentation", Short())
    write, writes = short.files.__setitem__, []

    def hungry(key, data):
        writes.append(key)
        if stage == "write" and len(writes) == 3:
            raise MemoryError
        write(key, data)

    short.write = hungry
    tasks = [task(position, 1, 2) for position in range(30)]
    undisturbed.run(tasks)
    short.run(tasks)
    assert len(short.pipelines) > 1 or len(writes) > len(short.files)
    assert short.told.keys() == undisturbed.told.keys()
    assert short.files == undisturbed.files


def test_what_saves_the_cases_told_is_written_once_there_is_memory_for_it(make, monkeypatch):
    monkeypatch.setattr(pipeline, "CHECKPOINT_SECONDS", 0.01)
    saved, refused = iter([[("checkpoint", b"told")]]), threading.Event()

    def write(key, data):
        if key == "checkpoint" and not refused.is_set():
            refused.set()
            raise MemoryError
        made.write(key, data)

    def tasks():
        assert refused.wait(60)
        yield from (task(position, 1, 2) for position in range(9))

    made = make("segmentation", nn.Conv2d(1, 1, 3, padding=1), write=write, save=lambda: next(saved, ()))
    made.run(tasks())
    assert made.files["checkpoint"] == b"told"
    assert len(made.pipelines) == 1


def test_no_memory_for_one_case_fails_that_case(make):
    made = make("classification", Brightness())
    decode = made.tiles.decode

    def huge(sources, channels, limits):
        if sources[0].location.name == "1.tiles":
            raise MemoryError
        return decode(sources, channels, limits)

    made.tiles.decode = huge
    made.run([task(position, 1, 1) for position in range(3)])
    assert made.told[1].end.kind == "out_of_memory"
    assert isinstance(made.told[2].end, Outcome)


@pytest.mark.parametrize("where", ["pixels", "map"])
def test_a_huge_case_that_finds_no_memory_fails_alone(make, where):
    made = make("segmentation", nn.Conv2d(1, 1, 3, padding=1))
    decode = made.tiles.decode

    def huge(sources, channels, limits):
        if sources[0].location.name != "1.tiles":
            return decode(sources, channels, limits)
        size = (10**7, 10**7)
        pixels = np.broadcast_to(np.uint8(0), (*size, 1)) if where == "pixels" else np.zeros((SIDE, SIDE, 1), np.uint8)
        return Case(size, 1, iter([ModelInput(pixels, Place((0, 0), size))]))

    made.tiles.decode = huge
    made.run([task(position, 1, 1) for position in range(3)])
    assert made.told[1].end.kind == "out_of_memory"
    assert all(isinstance(made.told[position].end, Outcome) for position in (0, 2))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        torch.AcceleratorError("CUDA error: out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("could not create a primitive"),
    ],
)
def test_no_memory_for_a_batch_is_worth_a_retry(make, error):
    class Broken(nn.Module):
        def forward(self, batch):  # noqa: ARG002 - PyTorch's
            raise error

    with pytest.raises(TemporaryError, match="batch of 4"):
        make("classification", Broken()).run([task(0, 1, 1)])


def test_what_has_failed_already_is_told_as_it_failed_although_others_are_asked_for_ahead(make, monkeypatch):
    tasks = [task(number, 1, 1) for number in range(60)]
    files = {each.images[0].location: each.images[0].bytes() for each in tasks}
    monkeypatch.setattr(prefetch, "TOGETHER", {tasks[0].images[0].location.scheme: None})
    monkeypatch.setattr(
        prefetch, "read_together", lambda locations, _: lambda: [files[location] for location in locations]
    )
    failed = (9, 12, 20, 30, 40)
    for number in failed:
        nothing = Task(number, f"{number:03}", (), Truth())
        tasks[number] = Result.of_failure(nothing, CaseError("mask_missing", "the mask is not there"))

    class LacksOnce(Brightness):
        lacked = False

        def forward(self, batch):
            if not LacksOnce.lacked:
                LacksOnce.lacked = True
                raise MemoryError("no room")
            return super().forward(batch)

    made = make("classification", LacksOnce())
    made.run(tasks)
    assert {number: told.end.kind for number, told in made.told.items() if isinstance(told.end, CaseError)} == (
        dict.fromkeys(failed, "mask_missing")
    )
    assert sorted(made.told) == list(range(60))
