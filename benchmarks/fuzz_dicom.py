"""Feeds mutated DICOM files to the decoder: ``python -m benchmarks.fuzz_dicom --inputs 100000``.

Every input has to be read or refused with a CaseError, as image and as mask, within ten seconds of a processor and two
gibibytes, and nothing may be printed. Children do the work, so that a crash is a finding, too; the input of a finding
is kept.
"""

import random
import resource
import sys
from contextlib import suppress
from functools import partial

from benchmarks.fuzzing import Finding, Fuzzer, Trial
from imaging_core.decode.case import Case, CaseError, Limits
from imaging_core.decode.dicom import DICOM
from imaging_core.decode.mask import decode_mask
from imaging_core.store import Location
from imaging_core.store.memory import MemorySource
from tests.imaging_core.decode.hostile_dicom import mutated

LIMITS = (Limits(pixels=10**6), Limits(pixels=10**6, dicom="rescaled"))


def check(data: bytes) -> bool:
    """Whether the decoder takes the input as an image; Finding, or any exception, where it does wrong."""
    source = MemorySource(Location("file", "", "/data/scan.dcm"), data)
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


def draw(rng: random.Random) -> tuple[bytes, Trial]:
    """A mutated file, and that it is checked."""
    data = mutated(rng)
    return data, partial(check, data)


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
