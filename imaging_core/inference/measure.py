"""What is measured of a predicted mask beside counts of pixels: each class of a case, one after the other.

scipy is imported only when there is something to measure: it takes half a second.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging_core.inference.measured import Lesions, Measures, Surface, Surfaces
from imaging_core.inference.score import POSITIVE
from imaging_core.models.card import Output

Mask = NDArray[np.bool_]


def measure(
    mask: NDArray[Any],
    truth: NDArray[Any],
    output: Output,
    wanted: Measures,
    spacing: tuple[float, ...] | None = None,
) -> dict[str, Any]:
    """The ledger's fields ``surface`` and ``lesions``, those that are wanted.

    Args:
        mask: as :func:`imaging_core.inference.score.count` takes it, which has found that it fits the truth.
        truth: the same; of pixels that are ``output.ignore`` there, no class has any on either side.
        output: the card's.
        wanted: which ones.
        spacing: from a voxel's centre to the next along each axis, in mm; None where distances are in pixels.
    """
    if not wanted:
        return {}
    from imaging_core.inference.lesions import count_lesions
    from imaging_core.inference.surface import compare_surfaces

    surfaces: dict[int, Surface] = {}
    lesions: dict[int, Lesions] = {}
    for index, predicted, true in _classes(mask, truth, output):
        sides = _cropped(predicted, true)
        if wanted.surface_tolerance is not None:
            surfaces[index] = compare_surfaces(*sides, wanted.surface_tolerance, spacing)
        if wanted.lesions:
            lesions[index] = count_lesions(*sides)
    fields: dict[str, Any] = {}
    if wanted.surface_tolerance is not None:
        fields["surface"] = Surfaces(wanted.surface_tolerance, "pixels" if spacing is None else "mm", surfaces)
    if wanted.lesions:
        fields["lesions"] = lesions
    return fields


def _classes(mask: NDArray[Any], truth: NDArray[Any], output: Output) -> Iterator[tuple[int, Mask, Mask]]:
    """Each scored class with both sides as truth values."""
    if output.kind == "binary":
        yield POSITIVE, mask, truth
    elif output.kind == "multilabel":
        yield from ((index, mask[index], truth[index]) for index in range(len(mask)))
    else:
        ignored = None if output.ignore is None else truth == output.ignore
        for index in range(len(output.classes)):
            sides = mask == index, truth == index
            if ignored is not None:
                sides = sides[0] & ~ignored, sides[1] & ~ignored
            yield index, *sides


def _cropped(mask: Mask, truth: Mask) -> tuple[Mask, Mask]:
    """The smallest part of both that holds all of both: nothing measured here changes with what lies around."""
    either = mask | truth
    if not either.any():
        nothing = tuple(slice(0, 1) for _ in mask.shape)
        return mask[nothing], truth[nothing]
    window = []
    for axis in range(mask.ndim):
        used = np.flatnonzero(either.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        window.append(slice(int(used[0]), int(used[-1]) + 1))
    return mask[tuple(window)], truth[tuple(window)]
