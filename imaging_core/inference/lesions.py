"""Lesions found, missed and imagined: masks compared by their connected components, in any number of dimensions."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from imaging_core.inference.measured import Lesions


def count_lesions(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> Lesions:
    """Compare the lesions of one class of one case.

    A lesion is a connected component; pixels that touch at a corner are connected (8 neighbours in 2-D, 26 in 3-D). As
    the ISLES challenge does (Hernandez Petzsche et al. 2022, Scientific Data 9; github.com/ezequieldlrosa/isles22), a
    true lesion is found when any pixel of it is predicted, however few, and a predicted one is false when no pixel of
    it is true. So a prediction that covers two true lesions finds both, and two within one true lesion find it once.
    Where the outline of each lesion matters, Metrics reloaded (Maier-Hein, Reinke et al. 2024) asks for more overlap.

    Args:
        mask: the prediction, bool, any number of axes.
        truth: the same of the truth, of the same shape.
    """
    touching = np.ones((3,) * mask.ndim, dtype=np.bool_)
    both = mask & truth
    (found, true), (met, predicted) = (_met(side, both, touching) for side in (truth, mask))
    return Lesions(tp=found, fp=predicted - met, fn=true - found)


def _met(side: NDArray[np.bool_], both: NDArray[np.bool_], touching: NDArray[np.bool_]) -> tuple[int, int]:
    """How many components of a side have a pixel in ``both``, and how many there are."""
    labels, count = ndimage.label(side, touching)
    met = np.zeros(count + 1, dtype=np.bool_)
    met[labels[both]] = True
    return int(np.count_nonzero(met)), int(count)
