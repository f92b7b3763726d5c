"""The grey values of a DICOM frame: Modality LUT or rescale, padding, VOI LUT or window, MONOCHROME1 inverted.

In this order, as PS3.3 C.11 and PS3.4 N.2 have it. Two ends of the chain can be had: *rescaled* values, what the
modality measured (Hounsfield units of CT), and *window* values, what a viewer would show, from black to white.

* Of several windows the first counts, of several VOI LUTs the first; a VOI LUT goes before a window.
* Without either, black and white are the smallest and the largest value that the stored bits can give.
* Padding (Pixel Padding Value, or from it to Pixel Padding Range Limit) goes through nothing: it becomes black, and
  among rescaled values the smallest that other pixels of the frame have.
* MONOCHROME1 turns black and white around; rescaled values are what was measured, and stay.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging_core.decode.case import CaseError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Linear:
    """Rescale: ``slope * stored + intercept``."""

    slope: float = 1.0
    intercept: float = 0.0

    def __call__(self, values: NDArray[Any]) -> Floats:
        """Modality values."""
        rescaled: Floats = np.asarray(values, np.float64) * self.slope + self.intercept
        return rescaled


@dataclass(frozen=True, slots=True)
class Lut:
    """A lookup table: values below ``first`` give its first entry, values beyond its end the last."""

    first: int
    entries: NDArray[np.uint16]
    bits: int

    def __call__(self, values: NDArray[Any]) -> Floats:
        """Entries, from 0 to ``2**bits - 1``; values between two entries give the lower one."""
        places = np.floor(np.asarray(values, np.float64)) - self.first
        places = np.clip(places, 0, len(self.entries) - 1)
        looked_up: Floats = self.entries[places.astype(np.int64)].astype(np.float64)
        return looked_up


@dataclass(frozen=True, slots=True)
class Window:
    """A window, ``function`` being one of :data:`FUNCTIONS`: PS3.3 C.11.2.1.2 and C.11.2.1.3."""

    centre: float
    width: float
    function: str = "LINEAR"

    def __call__(self, values: Floats) -> Floats:
        """From 0 (black) to 1 (white)."""
        if self.function == "SIGMOID":
            with np.errstate(over="ignore"):  # far below the centre it is 1 / infinity
                return 1 / (1 + np.exp(-4 * (values - self.centre) / self.width))
        if self.function == "LINEAR_EXACT":
            return np.clip((values - self.centre) / self.width + 0.5, 0, 1)
        if self.width == 1:
            return (values > self.centre - 0.5).astype(np.float64)
        return np.clip((values - (self.centre - 0.5)) / (self.width - 1) + 0.5, 0, 1)


@dataclass(frozen=True, slots=True)
class Spread:
    """Black at ``low``, white at ``high``: what stands for a window where a file has none."""

    low: float
    high: float

    def __call__(self, values: Floats) -> Floats:
        """From 0 (black) to 1 (white)."""
        return np.clip((values - self.low) / (self.high - self.low), 0, 1)


FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


@dataclass(frozen=True, slots=True)
class Greys:
    """What becomes of the stored values of one frame.

    Attributes:
        modality: from stored to modality values.
        voi: from those to black and white.
        inverted: whether 0 is white.
        padding: the smallest and the largest stored value that is no pixel.
    """

    modality: Linear | Lut
    voi: Window | Lut | Spread | None
    inverted: bool = False
    padding: tuple[float, float] | None = None

    def shown(self, stored: NDArray[Any], bits: int) -> NDArray[np.uint8 | np.uint16]:
        """Display values: uint8 of up to 8 stored bits, else uint16, of the same shape; 0 is black.

        Raises:
            CaseError: unsupported for floats without a window: nothing says what is black.
        """
        voi = self.voi
        if voi is None:
            raise CaseError(
                "unsupported", "DICOM pixels are floats without a window; a model card may want them rescaled"
            )
        kind = np.uint8 if bits <= 8 else np.uint16
        largest = int(np.iinfo(kind).max)

        def show(values: NDArray[Any]) -> NDArray[Any]:
            seen = voi(self.modality(values))
            if isinstance(voi, Lut):
                seen /= 2**voi.bits - 1
            if self.inverted:
                seen = 1 - seen
            shown = np.floor(seen * largest + 0.5).astype(kind)
            shown[self._is_padding(values)] = 0
            return shown

        return _each(show, stored)

    def rescaled(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Modality values, float32 of the same shape."""
        values = _each(lambda values: self.modality(values).astype(np.float32), stored)
        padding = self._is_padding(stored)
        if padding.any() and not padding.all():
            values[padding] = values[~padding].min()
        return values

    def _is_padding(self, stored: NDArray[Any]) -> NDArray[np.bool_]:
        if self.padding is None:
            return np.zeros(stored.shape, np.bool_)
        low, high = self.padding
        return (stored >= low) & (stored <= high)


def _each(function: Callable[[NDArray[Any]], NDArray[Any]], stored: NDArray[Any]) -> NDArray[Any]:
    """``function`` of every value: of each that occurs once only, where that is less work."""
    if np.issubdtype(stored.dtype, np.integer):
        low, high = int(stored.min()), int(stored.max())
        if high - low < stored.size:
            return function(np.arange(low, high + 1))[stored.astype(np.int64) - low]
    return function(stored)


def spread(values: NDArray[Any], bits: int) -> NDArray[np.uint8 | np.uint16]:
    """Unsigned values of so many bits over all of uint8, or of uint16 where there are more than 8."""
    kind = np.uint8 if bits <= 8 else np.uint16
    most, largest = 2**bits - 1, int(np.iinfo(kind).max)
    if most == largest:
        return values.astype(kind)
    widened: NDArray[Any] = np.floor(np.minimum(values, most) * (largest / most) + 0.5)
    return widened.astype(kind)
