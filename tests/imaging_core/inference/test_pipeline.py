"""The pipeline on cases of one and of many inputs, and when a stage breaks."""

import errno
import os
import signal
import threading
import time

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from imaging_core.decode.case import Case
from imaging_core.errors import DataError, TemporaryError
from imaging_core.inference import pipeline as pipeline_module
from imaging_core.inference.head import Outcome
from imaging_core.inference.signals import deferred_signals
from imaging_core.inference.stages import IN_TURN_GROUPS
from imaging_core.inference.task import Task, Truth
from imaging_core.store import Location, open_source
from tests.imaging_core.inference.tiles import SIDE, Brightness, task, tiles_of


def test_scores_of_a_case_are_the_exact_mean_of_its_inputs(make):
    made = make("classification", Brightness())
    shapes = [(1, 1), (3, 5), (1, 2), (7, 1), (1, 1), (2, 2)]
    made.run(task(position, *shape) for position, shape in enumerate(shapes))
    assert len(made.told) == len(shapes)
    for position, shape in enumerate(shapes):
        result = made.told[position]
        assert (result.inputs, result.size) == (shape[0] * shape[1], (shape[0] * SIDE, shape[1] * SIDE))
        inputs = torch.stack([torch.from_numpy(tile[:, :, 0])[None] / 255 for tile in tiles_of(*shape, position)])
        scores = torch.softmax(Brightness()(inputs), 1).double().mean(0).float()
        np.testing.assert_allclose(result.end.fields["scores"], scores.numpy(), rtol=3e-7)


def test_maps_of_inputs_lie_at_their_places(make):
    torch.manual_seed(0)
    network = nn.Conv2d(1, 1, 3, padding=1)
    made = make("segmentation", network)
    made.run([task(0, 3, 2), task(1, 1, 1), task(2, 4, 4)])
    for position, (rows, columns) in enumerate([(3, 2), (1, 1), (4, 4)]):
        probabilities = made.files[f"outputs/{position:03d}.probabilities.tif"]
        stored = np.frombuffer(probabilities[-rows * columns * SIDE * SIDE * 4 :], np.float32)
        maps = stored.reshape(rows * SIDE, columns * SIDE)
        for number, tile in enumerate(tiles_of(rows, columns, position)):
            top, left = number // columns * SIDE, number % columns * SIDE
            with torch.no_grad():
                alone = torch.sigmoid(network(torch.from_numpy(tile[:, :, 0])[None, None] / 255))[0, 0]
            np.testing.assert_allclose(maps[top : top + SIDE, left : left + SIDE], alone.numpy(), rtol=1e-5)


def test_neighbours_and_order_change_nothing(make):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1))
    tasks = [task(position, 1 + position % 3, 1 + position % 2) for position in range(20)]
    forwards, backwards, alone = (make("segmentation", network) for _ in range(3))
    forwards.run(tasks)
    backwards.run(reversed(tasks))
    alone.run(tasks[7:8])
    assert forwards.files == backwards.files
    assert alone.files.items() <= forwards.files.items()
    assert len(alone.files) == 2


@pytest.mark.parametrize("task_name", ["classification", "segmentation"])
def test_cases_of_many_inputs_come_from_the_cache_as_they_were(make, tmp_path, task_name):
    torch.manual_seed(0)
    network = Brightness() if task_name == "classification" else nn.Conv2d(1, 1, 3, padding=1)
    tasks = [task(position, 1 + position % 3, 1 + position % 2) for position in range(7)]
    filling, warm = (make(task_name, network, cache=tmp_path) for _ in range(2))
    filling.run(tasks)
    warm.run(tasks)
    assert warm.tiles.given == 0
    assert warm.files == filling.files
    for position, result in filling.told.items():
        found = warm.told[position]
        assert (found.size, found.inputs, found.end) == (result.size, result.inputs, result.end)


def test_what_is_read_in_pieces_is_not_cached(make, tmp_path):
    path = tmp_path / "0.tiles"
    path.write_bytes(task(0, 2, 2).images[0].bytes())
    for _ in range(2):
        made = make("classification", Brightness(), cache=tmp_path / "cache")
        made.tiles.whole = False
        made.run([Task(0, "000", (open_source(Location.parse(str(path))),), Truth())])
        assert made.tiles.given == 4


def test_a_case_that_breaks_off_after_some_inputs_fails_alone(make):
    made = make("segmentation", nn.Conv2d(1, 1, 3, padding=1))
    made.run([task(0, 2, 2), task(1, 3, 3, good=5), task(2, 2, 2)])
    assert isinstance(made.told[0].end, Outcome)
    assert isinstance(made.told[2].end, Outcome)
    assert (made.told[1].end.kind, made.told[1].end.reason) == ("unreadable", "tile 5 is damaged")
    assert not any(key.startswith("outputs/001") for key in made.files)


def test_a_large_case_is_decoded_only_as_fast_as_it_is_used(make):
    reached = threading.Event()

    class Slow(nn.Module):
        def forward(self, batch):
            reached.wait(0.02)
            return Brightness()(batch)

    made = make("classification", Slow())
    seen = []
    forward = made.network._module.forward
    made.network._module.forward = lambda batch: (seen.append(made.tiles.given), forward(batch))[1]
    made.run([task(0, 10, 10)])
    ahead = [given - 4 * number for number, given in enumerate(seen, start=1)]
    assert len(seen) == 25
    groups = IN_TURN_GROUPS if made.in_turn else 2 + 2 + 1  # the queue, one in each decoding thread, the next batch
    assert max(ahead) <= groups * 4


def test_log_lines_count_the_inputs_of_all_cases(make):
    made = make("classification", Brightness())
    made.log.expect(2)
    made.run([task(0, 2, 3), task(1, 1, 2)])
    assert made.lines == ["Batch 1/2", "Batch 2/2"]


@pytest.mark.parametrize("stage", ["decode", "compute", "write", "tell"])
def test_what_breaks_a_stage_ends_the_run_with_its_error(make, stage):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    class Broken(nn.Module):
        def forward(self, batch):  # noqa: ARG002 - PyTorch's
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    module = Broken() if stage == "compute" else nn.Conv2d(1, 1, 3, padding=1)
    made = make(
        "segmentation", module, write=full if stage == "write" else None, tell=full if stage == "tell" else None
    )
    if stage == "decode":
        made.tiles.decode = full
    with pytest.raises(TemporaryError if stage == "compute" else OSError):
        made.run(task(position, 2, 2) for position in range(200))
    assert not any(pipeline._flow.running for pipeline in made.pipelines)


def test_what_lacked_memory_computes_again_in_another_thread(make):
    class Unforgiving(nn.Module):
        """As oneDNN: where it found no memory for its code once, it never does again in the same thread."""

        def __init__(self):
            super().__init__()
            self.lacked, self.calls = set(), 0

        def forward(self, batch):
            self.calls += 1
            if not self.lacked:
                self.lacked.add(threading.current_thread())
            if threading.current_thread() in self.lacked:
                raise RuntimeError("could not create a primitive")
            return Brightness()(batch)

    module = Unforgiving()
    made = make("classification", module)
    made.run(task(position, 1, 1) for position in range(400))
    assert len(made.told) == 400
    assert all(isinstance(result.end, Outcome) for result in made.told.values())
    assert module.calls < 200, "more were computed one by one than had been under way"


def test_a_decoder_that_gives_fewer_inputs_than_promised_is_a_defect(make):
    made = make("classification", Brightness())
    made.tiles.decode = lambda *_: Case((SIDE, SIDE), 2, iter([]))
    with pytest.raises(ValueError, match="promised 2"):
        made.run([task(0, 1, 1)])


def test_a_network_of_another_shape_is_told_clearly(make):
    made = make("classification", nn.Flatten())
    with pytest.raises(DataError, match=r"returns \(4, 256\)"):
        made.run([task(0, 1, 1)])


def test_resizing_to_places_is_bilinear(make):
    made = make("segmentation", nn.AvgPool2d(2))  # a network whose output is smaller than its input
    made.run([task(0, 1, 1)])
    (tile,) = tiles_of(1, 1, 0)
    small = torch.sigmoid(functional.avg_pool2d(torch.from_numpy(tile[:, :, 0])[None, None] / 255, 2))
    large = functional.interpolate(small, (SIDE, SIDE), mode="bilinear")[0, 0]
    stored = np.frombuffer(made.files["outputs/000.probabilities.tif"][-SIDE * SIDE * 4 :], np.float32)
    np.testing.assert_allclose(stored.reshape(SIDE, SIDE), large.numpy(), rtol=1e-6)


@pytest.fixture
def interrupt():
    """Sends Ctrl-C to this process when called for the first time; handed on, it is a KeyboardInterrupt."""
    sent = threading.Lock()

    def send():
        if sent.acquire(blocking=False):
            os.kill(os.getpid(), signal.SIGINT)

    return send


def test_after_a_signal_the_cases_of_a_computed_batch_are_still_written(make, interrupt):
    def write(_key, _data):
        interrupt()
        time.sleep(0.05)  # so that the signal is seen before the last case's turn

    made = make("segmentation", nn.Conv2d(1, 1, 3, padding=1), write=write, batch=8)
    with pytest.raises(KeyboardInterrupt), deferred_signals() as pending:
        made.run((task(position, 1, 1) for position in range(1000)), pending)
    assert 0 < len(made.told) < 1000
    assert len(made.told) % 8 == 0
    assert all(isinstance(result.end, Outcome) for result in made.told.values())


def test_after_a_signal_a_store_that_does_not_answer_is_not_waited_for(make, interrupt, monkeypatch):
    monkeypatch.setattr(pipeline_module, "_WRITE_SECONDS", 0.3)
    monkeypatch.setattr(pipeline_module, "_LEAVE_SECONDS", 0.1)
    over, written = threading.Event(), []

    def write(key, _data):
        interrupt()
        over.wait()
        written.append(key)

    made = make("segmentation", nn.Conv2d(1, 1, 3, padding=1), write=write)
    try:
        with pytest.raises(KeyboardInterrupt), deferred_signals() as pending:
            made.run((task(position, 1, 1) for position in range(1000)), pending)
        assert not written
    finally:
        over.set()
    assert len(made.told) < 1000
