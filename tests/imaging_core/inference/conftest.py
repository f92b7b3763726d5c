"""Makes pipelines over tiles."""

import threading

import pytest
import torch

from imaging_core.decode.case import Limits
from imaging_core.decode.registry import DECODERS
from imaging_core.inference.alone import run_within_memory
from imaging_core.inference.cache import open_cache
from imaging_core.inference.classification import ClassificationHead
from imaging_core.inference.device import Device, fix_algorithms
from imaging_core.inference.network import Network
from imaging_core.inference.pipeline import Pipeline
from imaging_core.inference.progress import BatchLog
from imaging_core.inference.segmentation import SegmentationHead
from imaging_core.inference.signals import PendingSignal
from imaging_core.inference.stages import Settings, Stages
from imaging_core.models.card import UNPACKED, make_card
from imaging_core.store import Location
from tests.imaging_core.inference.tiles import SIDE, Tiles


@pytest.fixture(params=[1, 2], ids=["in turn", "side by side"])
def make(request):
    """Makes a pipeline; what it tells and writes is kept."""

    class Made:
        def __init__(self, task_name, module, *, write=None, tell=None, save=tuple, batch=4, cache=None):
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
            self.in_turn = request.param == 1
            self.told, self.files, self.lines = {}, {}, []
            self.write = self.files.__setitem__
            lock = threading.Lock()

            def keep(results):
                with lock:
                    for result in results:
                        assert result.task.position not in self.told
                        self.told[result.task.position] = result
                return ()

            self.network, self.pipelines = Network(card, module, device), []
            self.log = BatchLog(head.figure, batch, 0, self.lines.append)

            place = cache and Location.parse(str(cache))
            kept = place and open_cache(place, {"model": "test"}, head, self.lines.append)

            def pipeline(alone):
                settings = Settings(request.param, Limits(), decoders, alone)
                stages = Stages(card, self.network, head, device, settings, tell=tell or keep, log=self.log, cache=kept)
                self.pipelines.append(Pipeline(stages, write or self.write, save))
                return self.pipelines[-1]

            self.make = pipeline

        def run(self, tasks, pending=None):
            return run_within_memory(self.make, tasks, pending or PendingSignal())

    return Made
