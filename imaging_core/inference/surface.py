"""How far the borders of two masks lie apart, in any number of dimensions and with a spacing per axis.

Libraries disagree in details, which move the figures; these follow Maier-Hein, Reinke et al. 2024 (Metrics reloaded,
Nature Methods 21) and MONAI:

- a border pixel is one of the mask with a neighbour across a face (4 in 2-D, 6 in 3-D) that is not of it; what lies
  beyond the image is not of it, so that a mask which touches the image's edge has a border there;
- HD95 is the larger of the two directed 95th percentiles, each interpolated between neighbouring values (medpy takes
  one percentile of both directions' distances together);
- ASSD is the mean over the border pixels of both sides together, the longer border weighing more (as in medpy; not the
  mean of both sides' means);
- surface Dice counts border pixels (DeepMind's surface-distance weighs each by the area of surface that it stands for).

Distances are those of centres of pixels, each found exactly by a k-d tree over the other border: borders have far
fewer points than an image has pixels, of which a distance transform would take all.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from imaging_core.inference.measured import Surface

PERCENTILE = 95


def compare_surfaces(
    mask: NDArray[np.bool_], truth: NDArray[np.bool_], tolerance: float, spacing: tuple[float, ...] | None = None
) -> Surface:
    """Measure one class of one case.

    Args:
        mask: the prediction, bool, any number of axes.
        truth: the same of the truth, of the same shape.
        tolerance: up to this distance borders count as in the same place (Nikolov et al. 2021), in the unit of spacing.
        spacing: from a pixel's centre to the next along each axis, > 0; None for 1 everywhere, so that distances are in
            pixels.

    Returns:
        HD95 (Huttenlocher et al. 1993 with a percentile for the maximum), ASSD (Heimann et al. 2009), and the border
        pixels that make normalised surface Dice. Of two empty masks, or one, the distances are None.
    """
    steps = np.ones(mask.ndim) if spacing is None else np.array(spacing, dtype=np.float64)
    predicted, true = (np.argwhere(border(side)) for side in (mask, truth))
    count = len(predicted) + len(true)
    if not (len(predicted) and len(true)):
        return Surface(None, None, 0, count)
    there, back = _distances(predicted, true, steps), _distances(true, predicted, steps)
    return Surface(
        hd95=float(max(np.percentile(there, PERCENTILE), np.percentile(back, PERCENTILE))),
        assd=math.fsum([*there.tolist(), *back.tolist()]) / count,
        within=int(np.count_nonzero(there <= tolerance) + np.count_nonzero(back <= tolerance)),
        of=count,
    )


def border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The border pixels of a mask: those that erosion by a cross takes away."""
    framed = np.pad(mask, 1)
    inner = mask.copy()
    for axis, length in enumerate(mask.shape):
        for start in (0, 2):
            window = [slice(1, -1)] * mask.ndim
            window[axis] = slice(start, start + length)
            inner &= framed[tuple(window)]
    return mask & ~inner


def _distances(points: NDArray[np.int64], others: NDArray[np.int64], steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """From each point to the nearest of the others."""
    distances, _ = KDTree(others * steps).query(points * steps)
    return np.asarray(distances, dtype=np.float64)
