"""Operators as values: thin classes of parameters over the functions, and their registry.

An operator is called with a batch of images and gives a batch. Its parameters are checked when it is made; the
functions say what they mean.
"""

from abc import ABC, abstractmethod
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from imaging_core.transforms import colour, equalise, filters, geometry, intensity, morphology, rotate, threshold
from imaging_core.transforms import resize as resizing

Method = Literal["nearest", "linear", "area", "cubic", "lanczos4"]
Border = Literal["constant", "replicate", "reflect", "reflect101", "wrap"]
Space = Literal["gray", "rgb", "bgr", "rgba", "hsv", "ycbcr"]
Side = Annotated[int, Field(ge=1)]
Numbers = float | tuple[float, ...]


class Operator(BaseModel, ABC):
    """Images in, images out: N x channels x height x width of the types that its function takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def __call__(self, images: Tensor) -> Tensor:
        """The processed batch."""
        return self._apply(images)

    @abstractmethod
    def _apply(self, images: Tensor) -> Tensor: ...


class Resize(Operator):
    """To a size of (height, width)."""

    size: tuple[Side, Side]
    method: Method = "linear"

    def _apply(self, images: Tensor) -> Tensor:
        return resizing.resize(images, self.size, self.method)


class Scale(Operator):
    """By factors of (height, width)."""

    factors: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]
    method: Method = "linear"

    def _apply(self, images: Tensor) -> Tensor:
        return resizing.scale(images, self.factors, self.method)


class Flip(Operator):
    """Top to bottom."""

    def _apply(self, images: Tensor) -> Tensor:
        return geometry.flip(images)


class Mirror(Operator):
    """Left to right."""

    def _apply(self, images: Tensor) -> Tensor:
        return geometry.mirror(images)


class Transpose(Operator):
    """Rows become columns."""

    def _apply(self, images: Tensor) -> Tensor:
        return geometry.transpose(images)


class Rotate(Operator):
    """Clockwise, in degrees; ``full`` keeps all of the image."""

    angle: float
    scale: float = Field(default=1.0, gt=0)
    method: Method = "linear"
    full: bool = False

    def _apply(self, images: Tensor) -> Tensor:
        turn = rotate.rotate_full if self.full else rotate.rotate
        return turn(images, self.angle, scale=self.scale, method=self.method)


class CentreCrop(Operator):
    """The middle (height, width)."""

    size: tuple[Side, Side]

    def _apply(self, images: Tensor) -> Tensor:
        return geometry.centre_crop(images, self.size)


class Pad(Operator):
    """Rows and columns at (top, bottom, left, right)."""

    sides: tuple[int, int, int, int]
    border: Border = "constant"
    value: float = 0

    def _apply(self, images: Tensor) -> Tensor:
        return geometry.pad(images, self.sides, self.border, self.value)


class Convert(Operator):
    """From one colour space to another."""

    source: Space
    target: Space

    def _apply(self, images: Tensor) -> Tensor:
        return colour.convert(images, self.source, self.target)


class Threshold(Operator):
    """White above a limit, or above Otsu's if none is given."""

    limit: float | None = None
    largest: float | None = None
    inverse: bool = False

    def _apply(self, images: Tensor) -> Tensor:
        limit = threshold.otsu(images) if self.limit is None else self.limit
        return threshold.threshold(images, limit, self.largest, inverse=self.inverse)


class MultiThreshold(Operator):
    """Evenly spaced greys between ascending limits."""

    limits: tuple[float, ...]
    smallest: float = 0
    largest: float | None = None

    def _apply(self, images: Tensor) -> Tensor:
        return threshold.multi_threshold(images, self.limits, self.smallest, self.largest)


class Gamma(Operator):
    """A power of the brightness."""

    exponent: float = Field(gt=0)

    def _apply(self, images: Tensor) -> Tensor:
        return intensity.gamma(images, self.exponent)


class Brightness(Operator):
    """A number added."""

    added: float

    def _apply(self, images: Tensor) -> Tensor:
        return intensity.brightness(images, self.added)


class Normalise(Operator):
    """Minus a mean, by a standard deviation."""

    mean: Numbers
    std: Numbers

    def _apply(self, images: Tensor) -> Tensor:
        return intensity.normalise(images, self.mean, self.std)


class ScaleTo(Operator):
    """From each image's extremes to new ones."""

    smallest: float
    largest: float

    def _apply(self, images: Tensor) -> Tensor:
        return intensity.scale_to(images, self.smallest, self.largest)


class ScaleFromTo(Operator):
    """From one range to another."""

    old: tuple[float, float]
    new: tuple[float, float]

    def _apply(self, images: Tensor) -> Tensor:
        return intensity.scale_from_to(images, self.old, self.new)


class ToFloat32(Operator):
    """Divided, in float32."""

    divisor: float = Field(default=1.0, gt=0)

    def _apply(self, images: Tensor) -> Tensor:
        return intensity.to_float32(images, self.divisor)


class Filter2D(Operator):
    """Correlated with a kernel, given by rows."""

    kernel: tuple[tuple[float, ...], ...]
    border: Border = "reflect101"

    def _apply(self, images: Tensor) -> Tensor:
        return filters.filter_2d(images, torch.tensor(self.kernel), self.border)


class Separable(Operator):
    """Correlated along rows, then along columns."""

    across: tuple[float, ...]
    down: tuple[float, ...]
    border: Border = "reflect101"

    def _apply(self, images: Tensor) -> Tensor:
        return filters.separable(images, self.across, self.down, self.border)


class GaussianBlur(Operator):
    """Blurred; the kernel's size follows from sigma if none is given."""

    sigma: float = Field(gt=0)
    size: int | None = None
    border: Border = "reflect101"

    def _apply(self, images: Tensor) -> Tensor:
        return filters.gaussian_blur(images, self.sigma, self.size, self.border)


class Morphology(Operator):
    """One of morphology's operations with a square or a disc, ``size`` pixels across."""

    operation: Literal["erode", "dilate", "open", "close", "gradient", "top_hat", "black_hat"]
    size: int = Field(default=3, ge=1)
    shape: Literal["square", "disc"] = "square"
    iterations: int = Field(default=1, ge=1)

    def _apply(self, images: Tensor) -> Tensor:
        element = torch.ones(self.size, self.size) if self.shape == "square" else morphology.disc(self.size)
        return morphology.OPERATIONS[self.operation](images, element, self.iterations)


class Equalise(Operator):
    """Values spread evenly."""

    def _apply(self, images: Tensor) -> Tensor:
        return equalise.equalise(images)


class Clahe(Operator):
    """Values spread in tiles (across, down), with limited contrast."""

    clip: float = Field(default=40.0, ge=0)
    tiles: tuple[Side, Side] = (8, 8)

    def _apply(self, images: Tensor) -> Tensor:
        return equalise.clahe(images, self.clip, self.tiles)


OPERATORS: dict[str, type[Operator]] = {
    "resize": Resize,
    "scale": Scale,
    "flip": Flip,
    "mirror": Mirror,
    "transpose": Transpose,
    "rotate": Rotate,
    "centre_crop": CentreCrop,
    "pad": Pad,
    "convert": Convert,
    "threshold": Threshold,
    "multi_threshold": MultiThreshold,
    "gamma": Gamma,
    "brightness": Brightness,
    "normalise": Normalise,
    "scale_to": ScaleTo,
    "scale_from_to": ScaleFromTo,
    "to_float32": ToFloat32,
    "filter_2d": Filter2D,
    "separable": Separable,
    "gaussian_blur": GaussianBlur,
    "morphology": Morphology,
    "equalise": Equalise,
    "clahe": Clahe,
}
