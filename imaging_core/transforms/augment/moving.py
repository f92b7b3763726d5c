"""ECVL's augmentations that move pixels, under its names. Fields have the names and defaults of ECVL's text.

Masks are sampled to the nearest, which is ECVL's default; it interpolates them in distortions, and this does not.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from imaging_core.transforms import distortion, geometry
from imaging_core.transforms.augment.base import Augmentation, Generator, Pair, Range, Vector, drawn
from imaging_core.transforms.resize import resize, scale
from imaging_core.transforms.rotate import rotate
from imaging_core.transforms.sampling import remap


@dataclass(frozen=True)
class AugRotate(Augmentation):
    """Clockwise about the centre (x, y), in degrees."""

    angle: Range
    center: Vector | None = None
    scale: float = 1.0
    interp: str = "linear"
    gt_interp: str = "nearest"

    def _apply(self, images: Tensor, masks: Tensor | None, generator: Generator) -> Pair:
        angles = drawn(self.angle, images, generator)
        centre = None if self.center is None else (self.center[0], self.center[1])

        def turned(batch: Tensor, method: str) -> Tensor:
            return rotate(batch, angles, centre=centre, scale=self.scale, method=method)

        return turned(images, self.interp), None if masks is None else turned(masks, self.gt_interp)


@dataclass(frozen=True)
class AugResizeDim(Augmentation):
    """To (width, height)."""

    dims: Vector
    interp: str = "linear"
    gt_interp: str = "nearest"

    def _apply(self, images: Tensor, masks: Tensor | None, _: Generator) -> Pair:
        size = (int(self.dims[1]), int(self.dims[0]))
        return resize(images, size, self.interp), None if masks is None else resize(masks, size, self.gt_interp)


@dataclass(frozen=True)
class AugResizeScale(Augmentation):
    """By factors of (width, height)."""

    scale: Vector
    interp: str = "linear"
    gt_interp: str = "nearest"

    def _apply(self, images: Tensor, masks: Tensor | None, _: Generator) -> Pair:
        factors = (self.scale[1], self.scale[0])
        return scale(images, factors, self.interp), None if masks is None else scale(masks, factors, self.gt_interp)


@dataclass(frozen=True)
class _Sometimes(Augmentation):
    p: float = 0.5

    def _apply(self, images: Tensor, masks: Tensor | None, generator: Generator) -> Pair:
        chosen = torch.rand(len(images), 1, 1, 1, generator=generator, device=images.device) < self.p
        moved = torch.where(chosen, self._moved(images), images)
        return moved, None if masks is None else torch.where(chosen, self._moved(masks), masks)

    @abstractmethod
    def _moved(self, batch: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class AugFlip(_Sometimes):
    """Top to bottom, each image with probability p."""

    def _moved(self, batch: Tensor) -> Tensor:
        return geometry.flip(batch)


@dataclass(frozen=True)
class AugMirror(_Sometimes):
    """Left to right, each image with probability p."""

    def _moved(self, batch: Tensor) -> Tensor:
        return geometry.mirror(batch)


@dataclass(frozen=True)
class AugTranspose(_Sometimes):
    """Rows become columns, each image with probability p; ValueError unless images are square."""

    def _moved(self, batch: Tensor) -> Tensor:
        if batch.shape[-2] != batch.shape[-1]:
            raise ValueError("some images of a batch can be transposed only if all are square")
        return geometry.transpose(batch)


@dataclass(frozen=True)
class AugCenterCrop(Augmentation):
    """The middle of (width, height); without a size, the largest square."""

    size: Vector | None = None

    def _apply(self, images: Tensor, masks: Tensor | None, _: Generator) -> Pair:
        side = min(images.shape[-2:])
        size = (side, side) if self.size is None else (int(self.size[1]), int(self.size[0]))
        return geometry.centre_crop(images, size), None if masks is None else geometry.centre_crop(masks, size)


@dataclass(frozen=True)
class AugRandomCrop(Augmentation):
    """Anywhere, of (width, height); smaller images get a border at the bottom and the right first."""

    size: Vector
    border_type: str = "constant"
    border_value: float = 0.0

    def _apply(self, images: Tensor, masks: Tensor | None, generator: Generator) -> Pair:
        size = (int(self.size[1]), int(self.size[0]))
        missing = [max(wanted - side, 0) for wanted, side in zip(size, images.shape[-2:], strict=True)]
        if any(missing):
            sides = (0, missing[0], 0, missing[1])
            images = geometry.pad(images, sides, self.border_type, self.border_value)
            masks = None if masks is None else geometry.pad(masks, sides, self.border_type, self.border_value)
        return geometry.random_crop(images, size, generator=generator, masks=masks)


@dataclass(frozen=True, kw_only=True)
class _Distortion(Augmentation):
    interp: str = "linear"
    border_type: str = "reflect101"
    border_value: float = 0.0

    def _apply(self, images: Tensor, masks: Tensor | None, generator: Generator) -> Pair:
        places, border = self._places(images, generator), (self.border_type, self.border_value)
        return (
            remap(images, *places, self.interp, *border),
            None if masks is None else remap(masks, *places, "nearest", *border),
        )

    @abstractmethod
    def _places(self, images: Tensor, generator: Generator) -> distortion.Places: ...


@dataclass(frozen=True, kw_only=True)
class AugGridDistortion(_Distortion):
    """The cells of a grid stretched; image by image, for each has its own number of cells (waits for the device)."""

    num_steps: Range
    distort_limit: Range

    def _places(self, images: Tensor, generator: Generator) -> distortion.Places:
        size = (images.shape[-2], images.shape[-1])
        places = []
        for steps in drawn(self.num_steps, images, generator).int().tolist():
            factors = torch.rand(2, 1, steps, generator=generator, device=images.device)
            low, high = self.distort_limit
            places.append(distortion.grid_places(size, *(1 + low + (high - low) * factors)))
        return _together(places)


@dataclass(frozen=True, kw_only=True)
class AugElasticTransform(_Distortion):
    """Smooth noise as shifts; image by image, for each has its own sigma (waits for the device)."""

    alpha: Range
    sigma: Range

    def _places(self, images: Tensor, generator: Generator) -> distortion.Places:
        alphas, sigmas = (drawn(each, images, generator).tolist() for each in (self.alpha, self.sigma))
        return _together(
            [
                distortion.elastic_places(image, alpha, sigma, generator=generator)
                for image, alpha, sigma in zip(images.chunk(len(images)), alphas, sigmas, strict=True)
            ]
        )


@dataclass(frozen=True, kw_only=True)
class AugOpticalDistortion(_Distortion):
    """A lens, beside the middle."""

    distort_limit: Range
    shift_limit: Range

    def _places(self, images: Tensor, generator: Generator) -> distortion.Places:
        limits = (self.distort_limit, self.shift_limit, self.shift_limit)
        strength, across, down = (drawn(each, images, generator) for each in limits)
        return distortion.optical_places(images, strength, across, down)


def _together(places: Sequence[distortion.Places]) -> distortion.Places:
    """Of images one by one as of their batch."""
    columns, rows = (torch.cat(each) for each in zip(*places, strict=True))
    return columns, rows
