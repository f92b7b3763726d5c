"""Operators on a batch against OpenCV in a loop: ``python -m benchmarks.transforms``.

Eight 8-bit colour images of 512 x 512. Both may use the same number of cores (``--threads``, 2 unless told): the loop
leaves it to OpenCV what it does with them, the batch is shared out. Each operator is measured by the clock in turn with
OpenCV's, the best of several times; printed are milliseconds for all images, how many times as fast as OpenCV the batch
is, and the geometric mean; likewise without the help that operators take from OpenCV on a CPU, and on a GPU, whose
batch lies on it before and after, which is where inference has it. OpenCV has its images as it likes them: height x
width x channels, one by one.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
import torch
from skimage import data
from torch import Tensor

from imaging_core.transforms import (
    colour,
    components,
    distortion,
    equalise,
    filters,
    geometry,
    integral,
    intensity,
    moments,
    morphology,
    opencv,
    rotate,
    sampling,
    threshold,
)
from imaging_core.transforms.resize import resize

IMAGES = 8
SIDE = 512
ROUNDS = 5

SQUARE = torch.ones(5, 5)
DISC = morphology.disc(9)
KERNEL = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16


@dataclass(frozen=True)
class Pair:
    """One operator: of a batch, and of one image in OpenCV."""

    ours: Callable[[Tensor], Any]
    opencv: Callable[[Any], Any]


def planes(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What OpenCV does to one channel only, channel by channel; the channels lie apart already."""
    return lambda image: [function(plane) for plane in cv2.split(image)]


def resizing(name: str, flag: int) -> Pair:
    return Pair(
        lambda batch: resize(batch, (224, 224), name),
        lambda image: cv2.resize(image, (224, 224), interpolation=flag),
    )


def pairs() -> dict[str, Pair]:
    matrix = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), -13, 1)
    places = [each[0] for each in distortion.optical_places(torch.zeros(1, 1, SIDE, SIDE), 0.3)]
    across, down = (each.numpy() for each in places)
    kernel = KERNEL.numpy()
    clahe = cv2.createCLAHE(2.0, (8, 8))
    table = np.rint((np.arange(256) / 255) ** 1.7 * 255).astype(np.uint8)
    mean, std = (np.array(each, np.float32) for each in ((120, 110, 100), (60, 50, 40)))
    return {
        "resize nearest to 224": resizing("nearest", cv2.INTER_NEAREST),
        "resize linear to 224": resizing("linear", cv2.INTER_LINEAR),
        "resize area to 224": resizing("area", cv2.INTER_AREA),
        "resize cubic to 224": resizing("cubic", cv2.INTER_CUBIC),
        "resize lanczos4 to 224": resizing("lanczos4", cv2.INTER_LANCZOS4),
        "flip": Pair(geometry.flip, lambda x: cv2.flip(x, 0)),
        "mirror": Pair(geometry.mirror, lambda x: cv2.flip(x, 1)),
        "transpose": Pair(geometry.transpose, cv2.transpose),
        "pad reflect101": Pair(
            lambda x: geometry.pad(x, (8, 8, 8, 8), "reflect101"),
            lambda x: cv2.copyMakeBorder(x, 8, 8, 8, 8, cv2.BORDER_REFLECT_101),
        ),
        "rotate": Pair(lambda x: rotate.rotate(x, 13), lambda x: cv2.warpAffine(x, matrix, (SIDE, SIDE))),
        "optical distortion": Pair(
            lambda x: sampling.remap(x, places[0].to(x.device), places[1].to(x.device)),
            lambda x: cv2.remap(x, across, down, cv2.INTER_LINEAR),
        ),
        "rgb to gray": Pair(lambda x: colour.convert(x, "rgb", "gray"), lambda x: cv2.cvtColor(x, cv2.COLOR_RGB2GRAY)),
        "rgb to hsv": Pair(lambda x: colour.convert(x, "rgb", "hsv"), lambda x: cv2.cvtColor(x, cv2.COLOR_RGB2HSV)),
        "rgb to ycbcr": Pair(
            lambda x: colour.convert(x, "rgb", "ycbcr"), lambda x: cv2.cvtColor(x, cv2.COLOR_RGB2YCrCb)
        ),
        "threshold": Pair(
            lambda x: threshold.threshold(x, 100), lambda x: cv2.threshold(x, 100, 255, cv2.THRESH_BINARY)
        ),
        "otsu": Pair(threshold.otsu, planes(lambda x: cv2.threshold(x, 0, 255, cv2.THRESH_OTSU))),
        "gamma": Pair(lambda x: intensity.gamma(x, 1.7), lambda x: cv2.LUT(x, table)),
        "mean and std": Pair(intensity.mean_std, cv2.meanStdDev),
        "normalise": Pair(
            lambda x: intensity.normalise(x, (120, 110, 100), (60, 50, 40)),
            lambda x: (x.astype(np.float32) - mean) / std,
        ),
        "filter 3 x 3": Pair(lambda x: filters.filter_2d(x, KERNEL), lambda x: cv2.filter2D(x, -1, kernel)),
        "Gaussian blur, sigma 2": Pair(
            lambda x: filters.gaussian_blur(x, 2.0, 13), lambda x: cv2.GaussianBlur(x, (13, 13), 2.0)
        ),
        "dilate, square of 5": Pair(
            lambda x: morphology.dilate(x, SQUARE), lambda x: cv2.dilate(x, np.ones((5, 5), np.uint8))
        ),
        "open, disc of 9": Pair(
            lambda x: morphology.opening(x, DISC), lambda x: cv2.morphologyEx(x, cv2.MORPH_OPEN, DISC.numpy())
        ),
        "integral image": Pair(integral.integral_image, cv2.integral),
        "equalise": Pair(equalise.equalise, planes(cv2.equalizeHist)),
        "clahe": Pair(equalise.clahe, planes(clahe.apply)),
        "moments": Pair(moments.central_moments, planes(cv2.moments)),
        "components": Pair(
            lambda x: components.label(x[:, 0] > 120),
            lambda x: cv2.connectedComponents((x[..., 0] > 120).astype(np.uint8)),
        ),
    }


def best(function: Callable[[], Any], device: str) -> float:
    """Seconds, the least of several; the first, which prepares, is not counted."""
    times = []
    for _ in range(ROUNDS + 1):
        start = time.perf_counter()
        function()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def of_opencv(function: Callable[[Any], Any], images: list[Any], threads: int) -> float:
    cv2.setNumThreads(threads)
    seconds = best(lambda: [function(image) for image in images], "cpu")
    cv2.setNumThreads(1)
    return seconds


def photographs() -> list[Any]:
    """The same tissue and retina, shifted: no two images are equal."""
    shown: list[Any] = [data.immunohistochemistry(), data.retina()]  # type: ignore[no-untyped-call]
    return [np.roll(shown[i % 2][:SIDE, :SIDE], i * 31, axis=(0, 1)) for i in range(IMAGES)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="that both may use (default 2)")
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    ways = ["batch", "in tensors", *(["cuda"] if torch.cuda.is_available() else [])]
    images = photographs()
    batch = torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy())
    ratios: dict[str, list[float]] = {way: [] for way in ways}
    print(f"{IMAGES} images of {SIDE} x {SIDE} x 3, {threads} threads; milliseconds (times as fast as OpenCV)")
    print(f"{'':24}{'OpenCV':>10}" + "".join(f"{way:>20}" for way in ways))
    for name, pair in pairs().items():
        reference = of_opencv(pair.opencv, images, threads)
        line = f"{name:24}{reference * 1e3:10.2f}"
        for way in ways:
            device = "cuda" if way == "cuda" else "cpu"
            with opencv.without_opencv() if way == "in tensors" else nullcontext():
                ours = best(partial(pair.ours, batch.to(device)), device)
            ratios[way].append(reference / ours)
            line += f"{ours * 1e3:11.2f} ({reference / ours:6.2f})"
        print(line, flush=True)
    means = "".join(f"{statistics.geometric_mean(each):>19.2f} " for each in ratios.values())
    print(f"{'geometric mean':34}{means}")


if __name__ == "__main__":
    main()
