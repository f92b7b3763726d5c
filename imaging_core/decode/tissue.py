"""Where a slide has tissue: Otsu's threshold on the saturation of its colours, since glass is grey or white."""

import numpy as np
from numpy.typing import NDArray


def tissue(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which pixels of a small picture of a slide (height x width x 3, RGB) are tissue: saturation above the threshold.

    Where none is, as on a slide of one colour, all are: nothing is left out by mistake.
    """
    shades = saturation(pixels)
    found = shades > otsu(shades)
    return found if found.any() else np.ones_like(found)


def saturation(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Saturation of HSV (Smith 1978, SIGGRAPH), 0 to 255, rounded down: 255 * (largest - smallest) / largest."""
    largest, smallest = pixels.max(axis=2).astype(np.uint32), pixels.min(axis=2).astype(np.uint32)
    shades: NDArray[np.uint8] = (255 * (largest - smallest) // np.maximum(largest, 1)).astype(np.uint8)
    return shades


def otsu(values: NDArray[np.uint8]) -> int:
    """The value that parts a histogram best: values above it are the upper class.

    It has the largest variance between the classes (Otsu 1979, IEEE Trans. SMC 9:62), the first of several.
    """
    histogram = np.bincount(values.ravel(), minlength=256).astype(np.float64)
    below = np.cumsum(histogram)
    above = below[-1] - below
    sums = np.cumsum(histogram * np.arange(256))
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = sums / below - (sums[-1] - sums) / above
    variance = np.where((below > 0) & (above > 0), below * above * apart**2, 0.0)
    return int(np.argmax(variance)) if variance.any() else int(values.max(initial=0))
