"""Intensities as a model's card wants them, by the statistics of each case: scanners without a unit differ in both.

Statistics are of all that the decoder gives of a case and of each channel by itself, before it is turned, resampled,
resized or cut: they are the same for every slice and patch, and in training and inference. ``zscore`` is MONAI's
``NormalizeIntensity(channel_wise=True)``, with ``nonzero`` as there; ``percentiles`` is its
``ScaleIntensityRangePercentiles(lower, upper, 0, 1, clip=True, channel_wise=True)``.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imaging_core.decode.case import Case, CaseError, ModelInput, Pixels


@dataclass(frozen=True, slots=True)
class Intensity:
    """How the intensities of a case become what a model sees.

    Attributes:
        normalization: ``zscore`` subtracts the mean and divides by the (population) standard deviation, where that is
            not 0; ``percentiles`` spreads what lies between two percentiles over [0, 1] and limits the rest to it;
            ``none`` leaves values in their type.
        nonzero: for ``zscore``, only values other than 0 are counted and changed: 0 is background and stays 0.
        percentiles: the two, from 0 to 100, ascending; between two values they are interpolated linearly.
        nan: ``zero`` reads NaN, as research data has it around the brain, as 0; ``fail`` refuses it.
    """

    normalization: Literal["none", "zscore", "percentiles"] = "none"
    nonzero: bool = False
    percentiles: tuple[float, float] = (1.0, 99.0)
    nan: Literal["fail", "zero"] = "fail"


AS_STORED = Intensity()


@dataclass(frozen=True, slots=True)
class Scale:
    """(x - shift) / divisor of one channel, in float32; where ``keep_zero`` a 0 stays, where ``limit`` it is clipped."""

    shift: float
    divisor: float
    keep_zero: bool = False
    limit: bool = False

    def of(self, values: Pixels) -> NDArray[np.float32]:
        """Values of one channel, any shape."""
        scaled = (values.astype(np.float32) - np.float32(self.shift)) / np.float32(self.divisor)
        if self.limit:
            np.clip(scaled, 0, 1, out=scaled)
        if self.keep_zero:
            scaled[values == 0] = 0
        return scaled


def scales(parts: Sequence[Pixels], intensity: Intensity) -> list[Scale]:
    """How each channel of a case is to be scaled.

    Args:
        parts: all of the case, in pieces: any axes x channels.
        intensity: not ``none``.
    """
    of_channels = [[part[..., channel] for part in parts] for channel in range(parts[0].shape[-1])]
    return [_percentiles(each, intensity) if intensity.normalization == "percentiles" else _zscore(each, intensity)
            for each in of_channels]  # fmt: skip


def scaled(pixels: Pixels, by: Sequence[Scale]) -> NDArray[np.float32]:
    """Any axes x channels, each channel by its own scale."""
    return np.stack([scale.of(pixels[..., channel]) for channel, scale in enumerate(by)], axis=-1)


def of_image(case: Case, intensity: Intensity) -> Case:
    """The same case of a single input, its pixels as the model wants them.

    Raises:
        CaseError: unsupported where a case is given in pieces of which none is all of it.
    """
    if intensity.normalization == "none":
        return case
    if case.count != 1:
        raise CaseError("unsupported", f"normalization {intensity.normalization} is for images and volumes, not tiles")

    def inputs() -> Iterator[ModelInput]:
        for each in case.inputs:
            yield replace(each, pixels=scaled(each.pixels, scales([each.pixels], intensity)))

    return replace(case, inputs=inputs())


def _zscore(parts: Sequence[Pixels], intensity: Intensity) -> Scale:
    counted = [part[part != 0] if intensity.nonzero else part for part in parts]
    count = sum(part.size for part in counted)
    if not count:
        return Scale(0, 1, intensity.nonzero)
    mean = math.fsum(float(part.sum(dtype=np.float64)) for part in counted) / count
    squares = math.fsum(float(np.square(part - np.float64(mean)).sum()) for part in counted)
    return Scale(mean, math.sqrt(squares / count) or 1, intensity.nonzero)


def _percentiles(parts: Sequence[Pixels], intensity: Intensity) -> Scale:
    low, high = np.percentile(np.concatenate([part.ravel() for part in parts]), intensity.percentiles).tolist()
    return Scale(low, high - low or 1, limit=True)
