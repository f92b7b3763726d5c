"""ECVL's augmentations that change values, under its names. Fields have the names and defaults of ECVL's text."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from imaging_core.transforms import intensity, noise
from imaging_core.transforms.augment.base import Augmentation, Generator, Pair, Range, Vector, drawn
from imaging_core.transforms.filters import gaussian_blur


@dataclass(frozen=True)
class _Pixels(Augmentation):
    """What changes values and leaves masks alone."""

    def _apply(self, images: Tensor, masks: Tensor | None, generator: Generator) -> Pair:
        return self._changed(images, generator), masks

    @abstractmethod
    def _changed(self, images: Tensor, generator: Generator) -> Tensor: ...


@dataclass(frozen=True)
class AugGaussianBlur(_Pixels):
    """Blurred; image by image, for each has its own size of kernel (waits for the device)."""

    sigma: Range

    def _changed(self, images: Tensor, generator: Generator) -> Tensor:
        sigmas = drawn(self.sigma, images, generator).tolist()
        pairs = zip(images.chunk(len(images)), sigmas, strict=True)
        return torch.cat(
            [gaussian_blur(image, sigma, border="replicate") if sigma > 0 else image for image, sigma in pairs]
        )


@dataclass(frozen=True)
class AugAdditiveLaplaceNoise(_Pixels):
    """Laplace noise of scale ``std_dev``."""

    std_dev: Range

    def _changed(self, images: Tensor, generator: Generator) -> Tensor:
        return noise.laplace_noise(images, drawn(self.std_dev, images, generator), generator=generator)


@dataclass(frozen=True)
class AugAdditivePoissonNoise(_Pixels):
    """Poisson noise; ``lambda`` in ECVL's text."""

    lambda_: Range

    def _changed(self, images: Tensor, generator: Generator) -> Tensor:
        return noise.poisson_noise(images, drawn(self.lambda_, images, generator), generator=generator)


@dataclass(frozen=True)
class AugGammaContrast(_Pixels):
    """A power of the brightness."""

    gamma: Range

    def _changed(self, images: Tensor, generator: Generator) -> Tensor:
        return intensity.gamma(images, drawn(self.gamma, images, generator).view(-1, 1, 1, 1))


@dataclass(frozen=True)
class AugBrightness(_Pixels):
    """A number added."""

    beta: Range

    def _changed(self, images: Tensor, generator: Generator) -> Tensor:
        return intensity.brightness(images, drawn(self.beta, images, generator).view(-1, 1, 1, 1))


@dataclass(frozen=True)
class AugCoarseDropout(_Pixels):
    """Black rectangles; ``per_channel`` is the probability that an image's channels are drawn on their own."""

    p: Range
    drop_size: Range
    per_channel: float

    def _changed(self, images: Tensor, generator: Generator) -> Tensor:
        share, size = (drawn(each, images, generator) for each in (self.p, self.drop_size))
        own = drawn(Range(0, 1), images, generator) < self.per_channel
        return noise.coarse_dropout(images, share, size, per_channel=own, generator=generator)


@dataclass(frozen=True)
class _Salted(_Pixels):
    p: Range
    per_channel: float

    def _changed(self, images: Tensor, generator: Generator) -> Tensor:
        share = drawn(self.p, images, generator)
        own = drawn(Range(0, 1), images, generator) < self.per_channel
        return self._noise()(images, share, per_channel=own, generator=generator)

    @abstractmethod
    def _noise(self) -> Callable[..., Tensor]: ...


@dataclass(frozen=True)
class AugSalt(_Salted):
    """White pixels."""

    def _noise(self) -> Callable[..., Tensor]:
        return noise.salt


@dataclass(frozen=True)
class AugPepper(_Salted):
    """Black pixels."""

    def _noise(self) -> Callable[..., Tensor]:
        return noise.pepper


@dataclass(frozen=True)
class AugSaltAndPepper(_Salted):
    """White and black pixels."""

    def _noise(self) -> Callable[..., Tensor]:
        return noise.salt_and_pepper


@dataclass(frozen=True)
class AugNormalize(_Pixels):
    """Minus a mean, by a standard deviation: numbers, or vectors of the channels; float32."""

    mean: float | Vector
    std: float | Vector

    def _changed(self, images: Tensor, _: Generator) -> Tensor:
        return intensity.normalise(images, self.mean, self.std)


@dataclass(frozen=True)
class AugScaleTo(_Pixels):
    """From each image's extremes to new ones."""

    new_min: float
    new_max: float

    def _changed(self, images: Tensor, _: Generator) -> Tensor:
        return intensity.scale_to(images, self.new_min, self.new_max)


@dataclass(frozen=True)
class AugScaleFromTo(_Pixels):
    """From one range to another."""

    old_min: float
    old_max: float
    new_min: float
    new_max: float

    def _changed(self, images: Tensor, _: Generator) -> Tensor:
        return intensity.scale_from_to(images, (self.old_min, self.old_max), (self.new_min, self.new_max))


@dataclass(frozen=True)
class AugToFloat32(Augmentation):
    """Divided, in float32; masks too, by a divisor of their own."""

    divisor: float = 1.0
    divisor_gt: float = 1.0

    def _apply(self, images: Tensor, masks: Tensor | None, _: Generator) -> Pair:
        whole = None if masks is None else intensity.to_float32(masks, self.divisor_gt)
        return intensity.to_float32(images, self.divisor), whole


@dataclass(frozen=True)
class AugDivBy255(Augmentation):
    """Divided by 255, masks too; in float32, where ECVL keeps the type."""

    def _apply(self, images: Tensor, masks: Tensor | None, _: Generator) -> Pair:
        whole = None if masks is None else intensity.to_float32(masks, 255)
        return intensity.to_float32(images, 255), whole
