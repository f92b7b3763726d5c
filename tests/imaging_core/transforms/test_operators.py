"""Operators as values: each is its function, with parameters checked when it is made."""

import pytest
import torch
from pydantic import ValidationError

from imaging_core.transforms import colour, equalise, filters, geometry, intensity, morphology, rotate, threshold
from imaging_core.transforms.operators import OPERATORS
from imaging_core.transforms.resize import resize, scale

SQUARE = torch.ones(5, 5)
SAME = {
    "resize": ({"size": (40, 50), "method": "area"}, lambda x: resize(x, (40, 50), "area")),
    "scale": ({"factors": (0.5, 2)}, lambda x: scale(x, (0.5, 2))),
    "flip": ({}, geometry.flip),
    "mirror": ({}, geometry.mirror),
    "transpose": ({}, geometry.transpose),
    "rotate": ({"angle": 20, "full": True}, lambda x: rotate.rotate_full(x, 20)),
    "centre_crop": ({"size": (9, 8)}, lambda x: geometry.centre_crop(x, (9, 8))),
    "pad": (
        {"sides": (1, 2, 3, 4), "border": "wrap"},
        lambda x: geometry.pad(x, (1, 2, 3, 4), "wrap"),
    ),
    "convert": ({"source": "rgb", "target": "hsv"}, lambda x: colour.convert(x, "rgb", "hsv")),
    "threshold": ({}, lambda x: threshold.threshold(x, threshold.otsu(x))),
    "multi_threshold": ({"limits": (50, 120)}, lambda x: threshold.multi_threshold(x, (50, 120))),
    "gamma": ({"exponent": 1.5}, lambda x: intensity.gamma(x, 1.5)),
    "brightness": ({"added": 30}, lambda x: intensity.brightness(x, 30)),
    "normalise": ({"mean": (1, 2, 3), "std": 4}, lambda x: intensity.normalise(x, (1, 2, 3), 4)),
    "scale_to": ({"smallest": 5, "largest": 90}, lambda x: intensity.scale_to(x, 5, 90)),
    "scale_from_to": ({"old": (9, 99), "new": (0, 255)}, lambda x: intensity.scale_from_to(x, (9, 99), (0, 255))),
    "to_float32": ({"divisor": 255}, lambda x: intensity.to_float32(x, 255)),
    "filter_2d": ({"kernel": ((0, 1), (2, -1))}, lambda x: filters.filter_2d(x, torch.tensor([[0.0, 1], [2, -1]]))),
    "separable": ({"across": (1, 2), "down": (0.5,)}, lambda x: filters.separable(x, (1, 2), (0.5,))),
    "gaussian_blur": ({"sigma": 2}, lambda x: filters.gaussian_blur(x, 2)),
    "morphology": ({"operation": "open", "size": 5}, lambda x: morphology.opening(x, SQUARE)),
    "equalise": ({}, equalise.equalise),
    "clahe": ({"clip": 3, "tiles": (4, 5)}, lambda x: equalise.clahe(x, 3, (4, 5))),
}


def test_every_operator_is_tried_here():
    assert SAME.keys() == OPERATORS.keys()


@pytest.mark.parametrize("name", SAME)
def test_an_operator_is_its_function(colour8, name):
    parameters, function = SAME[name]
    operator = OPERATORS[name](**parameters)
    assert torch.equal(operator(colour8.batch), function(colour8.batch))
    assert operator == OPERATORS[name].model_validate_json(operator.model_dump_json())


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("resize", {"size": (0, 3)}, "greater than or equal to 1"),
        ("resize", {"size": (3, 3), "mode": "linear"}, "Extra inputs"),
        ("morphology", {"operation": "thin"}, "'erode', 'dilate'"),
    ],
)
def test_parameters_are_checked(name, parameters, said):
    with pytest.raises(ValidationError, match=said):
        OPERATORS[name](**parameters)


def test_parameters_stay():
    with pytest.raises(ValidationError, match="frozen"):
        OPERATORS["gamma"](exponent=2).exponent = 3
