"""The processing chain of a model card: operators that an image goes through before it is resized.

Only operators that leave every pixel in its place: what a model says of an image has to lie on that image.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from imaging_core.errors import DataError, listing
from imaging_core.transforms.operators import OPERATORS, Operator

IN_PLACE = (
    "brightness", "clahe", "convert", "equalise", "filter_2d", "gamma", "gaussian_blur", "morphology",
    "multi_threshold", "normalise", "scale_from_to", "scale_to", "separable", "threshold", "to_float32",
)  # fmt: skip
"""Those of :data:`imaging_core.transforms.operators.OPERATORS` that keep the size, and pixels where they are."""

_SIDE = 32


class Chain:
    """Operators one after the other."""

    def __init__(self, steps: Sequence[Mapping[str, Any]], where: str) -> None:
        """Make the operators.

        Args:
            steps: for each operator its name as ``operator``, and its parameters.
            where: names the chain in errors.

        Raises:
            DataError: an operator that there is not or that moves pixels, or parameters that are not its own; all are
                named.
        """
        problems: list[str] = []
        self._operators = [_operator(step, f"[{number}]", problems) for number, step in enumerate(steps)]
        if problems:
            raise DataError(listing(where, problems))
        self._refused: dict[tuple[torch.dtype, int], str] = {}

    def refuses(self, dtype: torch.dtype, channels: int) -> str:
        """Why images of a type and number of channels cannot go through; empty when they can."""
        if (dtype, channels) not in self._refused:
            self._refused[dtype, channels] = self._try(dtype, channels)
        return self._refused[dtype, channels]

    def __call__(self, images: Tensor) -> Tensor:
        """The processed images, n x channels x height x width: one by one, so that none depends on another."""
        return torch.cat([self._through(image) for image in images.chunk(len(images))])

    def _through(self, image: Tensor) -> Tensor:
        for operator in self._operators:
            image = operator(image)
        return image

    def _try(self, dtype: torch.dtype, channels: int) -> str:
        image = torch.zeros(1, channels, _SIDE, _SIDE, dtype=dtype)
        for operator in self._operators:
            try:
                image = operator(image)
            except ValueError as error:
                return str(error)
        return "" if image.shape[1] == channels else f"the image has {channels} channels before, {image.shape[1]} after"


def _operator(step: Mapping[str, Any], entry: str, problems: list[str]) -> Operator:
    parameters = dict(step)
    name = parameters.pop("operator", None)
    if name not in IN_PLACE:
        reason = "moves pixels or changes the size" if name in OPERATORS else "is not there"
        problems.append(f"{entry}: operator {name!r} {reason}; a chain may have: {', '.join(IN_PLACE)}")
        return _NOTHING
    try:
        return OPERATORS[name].model_validate(parameters)
    except ValidationError as error:
        known = ", ".join(OPERATORS[name].model_fields) or "none"
        for each in error.errors():
            path = ".".join(str(part) for part in each["loc"])
            what = f"no such parameter; known: {known}" if each["type"] == "extra_forbidden" else each["msg"]
            problems.append(f"{entry}.{path}: {what}")
        return _NOTHING


_NOTHING = OPERATORS["flip"]()
"""Stands for an operator that is wrong until all are read."""
