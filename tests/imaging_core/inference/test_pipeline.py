"""The pipeline on cases of one and of many inputs, and when a stage breaks."""

import errno
import struct
import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from imaging_core.decode.case import Case, CaseError, Limits, ModelInput, Place
from imaging_core.decode.registry import DECODERS
from imaging_core.errors import DataError, TemporaryError
from imaging_core.inference.alone import run_within_memory
from imaging_core.inference.classification import ClassificationHead
from imaging_core.inference.device import Device, fix_algorithms
from imaging_core.inference.head import Outcome
from imaging_core.inference.network import Network
from imaging_core.inference.pipeline import Pipeline, Settings
from imaging_core.inference.progress import BatchLog
from imaging_core.inference.segmentation import SegmentationHead
from imaging_core.inference.signals import PendingSignal
from imaging_core.inference.task import Task, Truth
from imaging_core.models.card import UNPACKED, make_card
from imaging_core.store import Location
from imaging_core.store.memory import MemorySource

SIDE = 16


class Tiles:
    """A format of this test: ``TILE``, rows, columns, seed, how many tiles to give. Each tile is one model input."""

    name = "tiles"
    suffixes = frozenset({".tiles"})
    whole = True

    def __init__(self):
        self.given = 0

    def recognises(self, head):
        return head.startswith(b"TILE")

    def decode(self, sources, channels, limits):  # noqa: ARG002 - the protocol's
        _, rows, columns, seed, good = struct.unpack("4s4I", sources[0].bytes())

        def tiles():
            random = np.random.default_rng(seed)
            for number in range(rows * columns):
                if number == good:
                    raise CaseError("unreadable", f"tile {number} is damaged")
                self.given += 1
                pixels = random.integers(0, 256, (SIDE, SIDE, channels), dtype=np.uint8)
                offset = (number // columns * SIDE, number % columns * SIDE)
                yield ModelInput(pixels, Place(offset, (SIDE, SIDE)))

        return Case((rows * SIDE, columns * SIDE), rows * columns, tiles())


def tiles_of(rows, columns, seed):
    random = np.random.default_rng(seed)
    return [random.integers(0, 256, (SIDE, SIDE, 1), dtype=np.uint8) for _ in range(rows * columns)]


def task(position, rows, columns, good=10**6):
    data = struct.pack("4s4I", b"TILE", rows, columns, position, good)
    return Task(position, f"{position:03d}", (MemorySource(Location.parse(f"{position}.tiles"), data),), Truth())


class Brightness(nn.Module):
    """Two scores: the mean of the pixels and its opposite."""

    def forward(self, batch):
        mean = batch.mean((1, 2, 3)) - 0.5
        return torch.stack([mean, -mean], 1)


@pytest.fixture
def make(request):
    """Makes a pipeline; what it tells and writes is kept."""

    class Made:
        def __init__(self, task_name, module, *, write=None, tell=None, batch=4):
            fix_algorithms(1, "fp32")
            device = Device(torch.device("cpu"), "fp32")
            kind = "multiclass" if task_name == "classification" else "binary"
            card = make_card(
                {
                    "name": "test", "task": task_name, "batch": batch,
                    "architecture": {"name": "none"}, "input": {"height": SIDE, "width": SIDE, "channels": 1},
                    "output": {
                        "kind": kind,
                        "activation": "softmax" if kind == "multiclass" else "sigmoid",
                        "classes": ["bright", "dark"] if kind == "multiclass" else ["bright"],
                    },
                    "weights": UNPACKED.model_dump(),
                },
                "test",
            )  # fmt: skip
            self.tiles = Tiles()
            decoders = (self.tiles, *DECODERS)
            head = (
                ClassificationHead(card, device)
                if task_name == "classification"
                else SegmentationHead(card, device, Limits(), decoders, probabilities=True)
            )
            self.told, self.files, self.lines = {}, {}, []
            self.write = self.files.__setitem__
            lock = threading.Lock()

            def keep(result):
                with lock:
                    assert result.task.position not in self.told
                    self.told[result.task.position] = result

            self.network, self.pipelines = Network(card, module, device), []
            self.log = BatchLog(head.figure, batch, 0, self.lines.append)

            def pipeline(alone):
                self.pipelines.append(
                    Pipeline(
                        card,
                        self.network,
                        head,
                        device,
                        Settings(2, Limits(), decoders, alone),
                        tell=tell or keep,
                        write=write or self.write,
                        log=self.log,
                    )
                )
                return self.pipelines[-1]

            self.make = pipeline

        def run(self, tasks):
            return run_within_memory(self.make, tasks, PendingSignal())

    return Made


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
    assert max(ahead) <= 2 * 4 + 2 + 4  # the queue of inputs, one in each decoding thread, the next batch


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


def test_a_decoder_that_gives_fewer_inputs_than_promised_is_a_defect(make):
    made = make("classification", Brightness())
    made.tiles.decode = lambda *_: Case((SIDE, SIDE), 2, iter([]))
    with pytest.raises(ValueError, match="promised 2"):
        made.run([task(0, 1, 1)])


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
    assert len(short.pipelines) > 1
    assert short.told.keys() == undisturbed.told.keys()
    assert short.files == undisturbed.files


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
