"""Where OpenCV computes for an operator on the CPU, it gives what the operator gives by itself."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from imaging_core.transforms import (
    colour,
    components,
    distortion,
    equalise,
    filters,
    geometry,
    integral,
    intensity,
    morphology,
    opencv,
    rotate,
    sampling,
    threshold,
)
from imaging_core.transforms.resize import METHODS, resize
from tests.imaging_core.transforms.conftest import KINDS, pictures

KERNEL = torch.tensor([[0.1, 0.2, 0.0], [0.1, 0.3, 0.3]])
DISC = morphology.disc(5)
BYTES, COLOURS = ["uint8"], [("uint8", 3), ("float32", 3)]
EXACT = {
    "resize nearest": lambda x: resize(x, (40, 150), "nearest"),
    "transpose": geometry.transpose,
    "dilate": lambda x: morphology.dilate(x, DISC, 2),
    "erode": lambda x: morphology.erode(x, torch.ones(4, 3)),
    "closing": lambda x: morphology.closing(x, DISC),
}
NEAR = {
    **{f"resize {method}": lambda x, m=method: resize(x, (40, 150), m) for method in METHODS if method != "nearest"},
    **{f"filter, {border}": lambda x, b=border: filters.filter_2d(x, KERNEL, b) for border in opencv.BORDERS},
    "filter, wrap": lambda x: filters.filter_2d(x, KERNEL, "wrap"),
    "separable": lambda x: filters.separable(x, (0.2, 0.5, 0.3), (0.4, 0.6)),
    "Gaussian blur": lambda x: filters.gaussian_blur(x, (1.0, 2.5)),
    "gamma": lambda x: intensity.gamma(x, 1.7),
}
MOVED = {
    "rotate": lambda x: rotate.rotate(x, 13, scale=1.2),
    "rotate, each": lambda x: rotate.rotate(x, torch.tensor([13.0, -70.0])),
    "rotate in full": lambda x: rotate.rotate_full(x, 31),
    "remap": lambda x: sampling.remap(x, *distortion.optical_places(x, 0.3), border="reflect101"),
    "remap, each": lambda x: sampling.remap(x, *(torch.rand(2, 20, 30) * side for side in (122, 97))),
}
OTHERS = {
    "otsu": (threshold.otsu, [("uint8", 3), ("uint16", 1)], 0),
    "mean": (lambda x: intensity.mean_std(x)[0], KINDS, 1e-9),
    "std": (lambda x: intensity.mean_std(x)[1], KINDS, 1e-7),
    "integral": (integral.integral_image, KINDS, 1e-9),
    "equalise": (equalise.equalise, [("uint8", 3)], 0),
    "clahe": (lambda x: equalise.clahe(x, 3.0, (5, 4)), [("uint8", 3), ("uint16", 1)], 0),
    "gray": (lambda x: colour.convert(x, "rgb", "gray"), COLOURS, 1e-6),
    "ycbcr": (lambda x: colour.convert(x, "rgb", "ycbcr"), COLOURS, 1e-6),
    "from ycbcr": (lambda x: colour.convert(x, "ycbcr", "rgb"), COLOURS, 1e-6),
    "bgr to hsv": (lambda x: colour.convert(x, "bgr", "hsv"), COLOURS, 1e-3),
    "from hsv": (lambda x: colour.convert(x.clamp(max=179), "hsv", "rgb"), [("uint8", 3)], 1),
    "components": (lambda x: components.label(x > intensity.white(x) * 0.5)[0], [("uint8", 3), ("float32", 3)], 0),
    "their number": (lambda x: components.label(x > 120, corners=False)[1], [("uint8", 3)], 0),
}
CASES = [
    *((name, kind, 0) for name in EXACT for kind in KINDS),
    *((name, kind, 1e-5 if kind[0] == "float32" else 1) for name in NEAR for kind in KINDS),
    *((name, kind, {"uint8": 1, "uint16": 8, "float32": 1e-4}[kind[0]]) for name in MOVED for kind in KINDS),
    *((name, kind, tolerance) for name, (_, kinds, tolerance) in OTHERS.items() for kind in kinds),
]
OPERATORS = EXACT | NEAR | MOVED | {name: function for name, (function, *_) in OTHERS.items()}


@pytest.mark.parametrize(("name", "kind", "tolerance"), CASES, ids=str)
def test_opencv_gives_what_the_operator_gives(photographs, name, kind, tolerance):
    batch, operator = pictures(photographs, *kind).batch, OPERATORS[name]
    torch.manual_seed(0)
    found = operator(batch)
    torch.manual_seed(0)
    with opencv.without_opencv():
        expected = operator(batch)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    difference = (found.double() - expected.double()).abs()
    assert difference.max() <= tolerance


@pytest.mark.parametrize("name", OPERATORS)
def test_neither_threads_nor_memory_layout_change_a_bit(photographs, name):
    batch = pictures(photographs, "uint8", 3).batch
    torch.manual_seed(0)
    expected = OPERATORS[name](batch)
    torch.set_num_threads(2)
    try:
        torch.manual_seed(0)
        assert torch.equal(OPERATORS[name](batch.contiguous(memory_format=torch.channels_last)), expected)
    finally:
        torch.set_num_threads(1)


def test_what_has_a_gradient_stays_in_tensors():
    images = torch.rand(1, 2, 8, 9, requires_grad=True)
    for operator in (lambda x: resize(x, (4, 5), "cubic"), lambda x: filters.gaussian_blur(x, 1.0), geometry.transpose):
        assert operator(images).requires_grad
    assert filters.filter_2d(images.detach(), torch.rand(3, 3, requires_grad=True)).requires_grad


def test_no_room_is_a_memory_error():
    def full(_: int) -> None:
        raise cv2.error("Failed to allocate") from None

    with pytest.raises(RuntimeError, match="Failed to allocate"):
        opencv.side_by_side(full, [(0,)])
    image = np.zeros((2, 2), np.uint8)
    with pytest.raises(MemoryError):
        opencv.side_by_side(lambda size: cv2.resize(image, size), [((2**30, 2**30),)])


def test_it_has_no_threads_of_its_own_and_is_not_imported_before_it_is_needed():
    code = """
import sys
import torch
from imaging_core.transforms import geometry, operators
assert "cv2" not in sys.modules
geometry.transpose(torch.zeros(1, 1, 4, 4))
assert sys.modules["cv2"].getNumThreads() == 1
"""
    subprocess.run([sys.executable, "-c", code], check=True)
