"""The parts of our pipeline alone, in one thread: ``python -m benchmarks.throughput.parts model|decode FOLDER SHARE``.

``model`` runs network and head on ready tensors, up to the masks at the images' size or the scores; ``decode`` fetches,
decodes and prepares. Prints how many images a second.
"""

import itertools
import sys
import time
from collections.abc import Callable

import torch

from imaging_core.dataset.dtd import read_dataset
from imaging_core.decode.case import Limits, ModelInput, Place
from imaging_core.decode.registry import DECODERS, decode_sample
from imaging_core.inference.classification import ClassificationHead
from imaging_core.inference.device import Device, fix_algorithms
from imaging_core.inference.flow import GROUP_BYTES
from imaging_core.inference.head import Head
from imaging_core.inference.intake import Intake
from imaging_core.inference.network import Network
from imaging_core.inference.segmentation import SegmentationHead
from imaging_core.inference.stages import MOST_IN_GROUP
from imaging_core.inference.task import Task, Truth, fetched
from imaging_core.models.bundle import load_model
from imaging_core.store import Location, open_source

SECONDS = 6.0


def rate(step: Callable[[], int]) -> float:
    """Images a second, after one step that warms up."""
    step()
    begun, done = time.perf_counter(), 0
    while time.perf_counter() < begun + SECONDS:
        done += step()
    return done / (time.perf_counter() - begun)


def main(part: str, folder: str, share: int) -> None:
    root = Location.parse(folder)
    fix_algorithms(1, "fp32")
    device = Device(torch.device("cpu"), "fp32")
    card, _, module = load_model(root.join("model"), device.torch)
    limits = Limits(reduce_to=card.input.reduce_to, dicom=card.input.dicom)
    dataset = read_dataset(root.join("images", "dataset.yml"), "test", show_names=True)
    mine = range(share, len(dataset.samples), 2)
    intake = Intake(card.input, device)
    numbers = itertools.cycle(mine)

    def decoded() -> tuple[ModelInput, tuple[int, ...]]:
        number = next(numbers)
        sources = (open_source(dataset.resolve(dataset.samples[number].locations[0])),)
        task = fetched(Task(number, str(number), sources, Truth()), limits, DECODERS)
        case = decode_sample(task.images, card.input.channels, limits)
        return next(case.inputs), case.size

    together = 1 if decoded()[0].pixels.nbytes > GROUP_BYTES else min(MOST_IN_GROUP, card.batch)

    def decode() -> int:
        intake.stage([decoded()[0] for _ in range(together)])
        return together

    with torch.inference_mode():
        if part == "decode":
            print(rate(decode))
            return
        ready = [decoded() for _ in range(card.batch)]
        staged = intake.stage([each for each, _ in ready])
        batch = torch.cat([each.values for each in staged]).to(memory_format=torch.channels_last)
        network = Network(card, module, device)
        head: Head = (
            SegmentationHead(card, device, limits, DECODERS, probabilities=False)
            if card.task == "segmentation"
            else ClassificationHead(card, device)
        )

        def infer() -> int:
            head.receive(*network(batch))
            for slot, (_, size) in enumerate(ready):
                results = head.begin("0", size, None, scored=False)
                results.put(slot, Place((0,) * len(size), size))
                results.seal().arrive()
            return len(ready)

        print(rate(infer))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
