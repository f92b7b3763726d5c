"""Intensities as a model's card wants them, by the statistics of each case: scanners without a unit differ in both.

Statistics are of all that the decoder gives of a case and of each channel by itself, before it is turned, resampled,
resized or cut: they are the same for every slice and patch, and in training and inference. ``zscore`` is MONAI's
``NormalizeIntensity(channel_wise=True)``, with ``nonzero`` as there; ``percentiles`` is its
``ScaleIntensityRangePercentiles(lower, upper, 0, 1, clip=True, channel_wise=True)``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Intensity:
    """How the intensities of a case become what a model sees.

    Attributes:
        normalization: ``zscore`` subtracts the mean and divides by the (population) standard deviation, where that is
            not 0; ``percentiles`` spreads what lies between two percentiles over [0, 1] and limits the rest to it;
            ``none`` leaves values in their type.
        nonzero: for ``zscore``, only values other than 0 are counted and changed: 0 is background and stays 0.
        percentiles: the two, from 0 to 100, ascending; between two values they are interpolated linearly.
    """

    normalization: Literal["none", "zscore", "percentiles"] = "none"
    nonzero: bool = False
    percentiles: tuple[float, float] = (0.5, 99.5)


AS_THEY_ARE = Intensity()


@dataclass(frozen=True, slots=True)
class Scale:
    """(x - shift) / divisor of one channel, float32; a 0 stays where ``keep_zero``, ``limit`` to [0, 1]."""

    shift: float
    divisor: float
    keep_zero: bool = False
    limit: bool = False

    def of(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Values of one channel, any shape."""
        scaled = (values.astype(np.float32) - np.float32(self.shift)) / np.float32(self.divisor)
        if self.limit:
            np.clip(scaled, 0, 1, out=scaled)
        if self.keep_zero:
            scaled[values == 0] = 0
        return scaled


def scales(parts: Sequence[NDArray[Any]], intensity: Intensity) -> list[Scale]:
    """How each channel of a case is to be scaled.

    Args:
        parts: all of the case, in pieces: any axes x channels.
        intensity: not ``none``.
    """
    measure = _percentiles if intensity.normalization == "percentiles" else _zscore
    return [measure([part[..., channel] for part in parts], intensity) for channel in range(parts[0].shape[-1])]


def scaled(pixels: NDArray[Any], by: Sequence[Scale]) -> NDArray[Any]:
    """Any axes x channels in float32, each channel by its own scale; without scales as they are."""
    if not by:
        return pixels
    return np.stack([scale.of(pixels[..., channel]) for channel, scale in enumerate(by)], axis=-1)


def _zscore(parts: Sequence[NDArray[Any]], intensity: Intensity) -> Scale:
    counted = [part[part != 0] if intensity.nonzero else part for part in parts]
    count = sum(part.size for part in counted)
    if not count:
        return Scale(0, 1, intensity.nonzero)
    mean = math.fsum(float(part.sum(dtype=np.float64)) for part in counted) / count
    squares = math.fsum(float(np.square(part - np.float64(mean)).sum()) for part in counted)
    return Scale(mean, math.sqrt(squares / count) or 1, intensity.nonzero)


def _percentiles(parts: Sequence[NDArray[Any]], intensity: Intensity) -> Scale:
    low, high = np.percentile(np.concatenate([part.ravel() for part in parts]), intensity.percentiles).tolist()
    return Scale(low, high - low or 1, limit=True)
