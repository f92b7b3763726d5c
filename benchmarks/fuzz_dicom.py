"""Feeds mutated DICOM files to the decoder: ``python -m benchmarks.fuzz_dicom --inputs 100000``.

Half of the inputs are images, read as image and as mask; half are segmentations (binary, fractional, label maps) with
what they are ground truth of: their image, and a volume of another format on the same voxels. Every input has to be
read or refused with a CaseError, within ten seconds of a processor and two gibibytes, and nothing may be printed.
Children do the work, so that a crash is a finding, too; the input of a finding is kept.
"""

import random
import resource
import sys
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from benchmarks.fuzzing import Finding, Fuzzer, Trial
from imaging_core.decode.case import Case, CaseError, Limits
from imaging_core.decode.dicom import DICOM
from imaging_core.decode.mask import MaskKind, decode_mask
from imaging_core.decode.segments import Segments
from imaging_core.decode.volume import Affine
from imaging_core.store import Location
from imaging_core.store.memory import MemorySource
from tests.imaging_core.decode.hostile_dicom import mutated
from tests.imaging_core.decode.hostile_segments import CLASSES, Damaged, damaged

LIMITS = (Limits(pixels=10**6), Limits(pixels=10**6, dicom="rescaled"))
AFFINE = np.array([[0, 0, -0.5, 10], [0, -0.7, 0, 20], [2.5, 0, 0, 30], [0, 0, 0, 1]])
"""Of the series that segmentations are of."""

KINDS: tuple[MaskKind, ...] = ("binary", "multiclass", "multilabel")


def check(data: bytes) -> bool:
    """Whether the decoder takes the input as an image; Finding, or any exception, where it does wrong."""
    source = _source(data)
    taken = False
    for limits in LIMITS:
        with suppress(CaseError):
            found = DICOM.decode([source], 1, limits)
            if isinstance(found, Case) and sum(1 for _ in found.inputs) != found.count:
                raise Finding("another number of inputs than promised")
            taken = True
    with suppress(CaseError):
        decode_mask(source, LIMITS[0], "multiclass", classes=("background", "organ"), images=[source])
    return taken


def check_segments(pair: Damaged, kind: MaskKind) -> bool:
    """Whether the input is taken as ground truth; Finding, or any exception, where it is wrong.

    It is that of its image, and of a volume of another format on the same voxels.
    """
    images = [_source(data) for data in pair.images]
    size = (8, 10) if len(images) == 1 else (len(images), 8, 10)
    taken = _laid(pair.mask, kind, size, None, images)
    return _laid(pair.mask, kind, (len(images), 8, 10), AFFINE, []) or taken


def _laid(
    mask: bytes, kind: MaskKind, size: tuple[int, ...], affine: Affine | None, images: list[MemorySource]
) -> bool:
    classes = CLASSES[-1:] if kind == "binary" else CLASSES
    place: dict[str, Any] = {"size": size, "affine": affine, "images": images}
    try:
        truth = decode_mask(_source(mask), LIMITS[0], kind, classes=classes, **place)
    except CaseError:
        return False
    planes = (len(classes),) if kind == "multilabel" else ()
    if truth.shape != (*planes, *size):
        if not isinstance(DICOM.mask(_source(mask), LIMITS[0], indices=kind == "multiclass"), Segments):
            return False  # damage made it an image, and whoever scores compares its size
        raise Finding(f"ground truth of {truth.shape} for an image of {size}")
    if truth.max() >= (len(classes) if kind == "multiclass" else 2):
        raise Finding(f"class {truth.max()} of {len(classes)}")
    return True


def _source(data: bytes) -> MemorySource:
    return MemorySource(Location("file", "", "/data/scan.dcm"), data)


def draw(rng: random.Random) -> tuple[bytes, Trial]:
    """A mutated image, or segments of an image of which one file is mutated, and that it is checked."""
    if rng.random() < 0.5:
        data = mutated(rng)
        return data, partial(check, data)
    pair = damaged(rng)
    return pair.damaged, partial(check_segments, pair, rng.choice(KINDS))


FUZZER = Fuzzer(
    "benchmarks.fuzz_dicom",
    __doc__,
    ".dcm",
    draw,
    memory=2 * 1024 * 1024 * 1024,
    limit=resource.RLIMIT_AS,
    silent=True,
    nothing="no crash, no hang, no other error",
)


if __name__ == "__main__":
    sys.exit(FUZZER.main())
