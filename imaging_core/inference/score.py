"""A predicted mask against its ground truth: exact counts of pixels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging_core.decode.case import CaseError
from imaging_core.inference.ledger import Counts
from imaging_core.models.card import Output

POSITIVE = 1
"""The class index of a binary model's foreground."""

_SLAB = 2**20
"""Values that are counted at once, with wide indices."""


def count(mask: NDArray[Any], truth: NDArray[Any], output: Output) -> dict[int, Counts]:
    """TP, FP, FN and TN of each class in pixels.

    Args:
        mask: as :func:`imaging_core.inference.stitch.to_mask` gives it.
        truth: as :func:`imaging_core.decode.mask.decode_mask` gives it.
        output: the card's; pixels whose truth is ``output.ignore`` are left out (multiclass).

    Raises:
        CaseError: mask_size when the sizes differ, mask_value when the truth holds a class that there is not.
    """
    if output.kind == "multilabel" and truth.ndim == mask.ndim and len(truth) != len(mask):
        raise CaseError("mask_value", f"the mask has {len(truth)} planes, the model {len(mask)} classes")
    if truth.shape != mask.shape:
        planes = output.kind == "multilabel"
        raise CaseError("mask_size", f"the mask has {_size(truth, planes)} pixels, the image {_size(mask, planes)}")
    match output.kind:
        case "binary":
            return {POSITIVE: _binary(mask, truth)}
        case "multilabel":
            return {index: _binary(mask[index], truth[index]) for index in range(len(mask))}
        case _:
            return _of_confusion(_confusion(mask, truth, len(output.classes), output.ignore))


def overlap(prediction: NDArray[np.bool_], truth: NDArray[np.bool_]) -> tuple[int, int]:
    """Intersection and union in pixels at the model's input size.

    Args:
        prediction: height x width, at the model's input size.
        truth: at the image's size; the nearest value, at ``floor(i * size / input size)`` as in OpenCV, is taken.
    """
    rows, columns = (
        np.arange(small) * large // small for small, large in zip(prediction.shape, truth.shape, strict=True)
    )
    small = truth[np.ix_(rows, columns)]
    return int(np.count_nonzero(prediction & small)), int(np.count_nonzero(prediction | small))


def _binary(mask: NDArray[Any], truth: NDArray[Any]) -> Counts:
    tp = int(np.count_nonzero(mask & truth))
    positive, true = int(np.count_nonzero(mask)), int(np.count_nonzero(truth))
    return Counts(tp=tp, fp=positive - tp, fn=true - tp, tn=mask.size - positive - true + tp)


def _confusion(mask: NDArray[Any], truth: NDArray[Any], classes: int, ignore: int | None) -> NDArray[np.int64]:
    """Truth x prediction, counted in slabs of rows or slices, so that wide indices never cover a whole case."""
    total = np.zeros((classes, classes), np.int64)
    rows = max(1, _SLAB * len(mask) // mask.size)
    for start in range(0, len(mask), rows):
        true, predicted = truth[start : start + rows].ravel(), mask[start : start + rows].ravel()
        if ignore is not None:
            scored = true != ignore
            true, predicted = true[scored], predicted[scored]
        if true.size and (true.min() < 0 or true.max() >= classes):
            raise CaseError(
                "mask_value",
                f"the mask holds values up to {true.max()}; the model has classes 0 to {classes - 1}"
                if true.min() >= 0
                else f"the mask holds {true.min()}, which is no class",
            )
        pairs = true.astype(np.intp) * classes + predicted
        total += np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
    return total


def _of_confusion(confusion: NDArray[np.int64]) -> dict[int, Counts]:
    total = int(confusion.sum())
    counts = {}
    for index in range(len(confusion)):
        tp = int(confusion[index, index])
        fp = int(confusion[:, index].sum()) - tp
        fn = int(confusion[index].sum()) - tp
        counts[index] = Counts(tp, fp, fn, total - tp - fp - fn)
    return counts


def _size(array: NDArray[Any], planes: bool) -> str:
    return " x ".join(str(side) for side in array.shape[planes:])
