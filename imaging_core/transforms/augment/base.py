"""What an augmentation is, and the two that hold others."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor | None]
Generator = torch.Generator | None


class Range(NamedTuple):
    """``[low, high]``: every value between them is equally likely."""

    low: float
    high: float


class Vector(tuple[float, ...]):
    """``(a, b, …)``."""


@dataclass(frozen=True)
class Augmentation(ABC):
    """A random change of a batch, and of its masks the same; each image is drawn on its own."""

    def __call__(self, images: Tensor, masks: Tensor | None = None, *, generator: Generator = None) -> Pair:
        """Change a batch.

        Args:
            images: N x channels x height x width of uint8, uint16 or a floating type.
            masks: N x channels x height x width, or None; they follow what moves pixels.
            generator: of the images' device.

        Returns:
            The changed images and masks.
        """
        return self._apply(images, masks, generator)

    @abstractmethod
    def _apply(self, images: Tensor, masks: Tensor | None, generator: Generator) -> Pair: ...


@dataclass(frozen=True)
class SequentialAugmentationContainer(Augmentation):
    """One after the other."""

    parts: tuple[Augmentation, ...]

    def _apply(self, images: Tensor, masks: Tensor | None, generator: Generator) -> Pair:
        for each in self.parts:
            images, masks = each(images, masks, generator=generator)
        return images, masks


@dataclass(frozen=True)
class OneOfAugmentationContainer(Augmentation):
    """With probability p one of them: drawn for the whole batch, as sizes may change. Waits for the device."""

    p: float
    parts: tuple[Augmentation, ...]

    def _apply(self, images: Tensor, masks: Tensor | None, generator: Generator) -> Pair:
        chance, which = torch.rand(2, generator=generator, device=images.device).tolist()
        if chance >= self.p:
            return images, masks
        return self.parts[int(which * len(self.parts))](images, masks, generator=generator)


def drawn(values: Range, images: Tensor, generator: Generator) -> Tensor:
    """A value of the range for each image, float32 of N."""
    uniform = torch.rand(len(images), generator=generator, device=images.device)
    return values.low + (values.high - values.low) * uniform
