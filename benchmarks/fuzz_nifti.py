"""Feeds damaged NIfTI files to the decoder: ``python -m benchmarks.fuzz_nifti --inputs 100000``.

Every input has to be read or refused with a CaseError, as slices, as patches at a spacing and as a mask, within ten
seconds of a processor and a gibibyte. Children do the work, so that a crash is a finding, too; the input of a finding
is kept.
"""

import random
import sys
from functools import partial

from benchmarks.fuzzing import Fuzzer, Trial
from tests.imaging_core.decode.damaged_nifti import check, damaged


def draw(rng: random.Random) -> tuple[bytes, Trial]:
    """A damaged file, and that it is checked."""
    data = damaged(rng)
    return data, partial(check, data)


FUZZER = Fuzzer(
    "benchmarks.fuzz_nifti",
    __doc__,
    ".nii",
    draw,
    memory=1024 * 1024 * 1024,
    inputs=10_000,
    nothing="no crash, no hang, no unbounded memory",
)


if __name__ == "__main__":
    sys.exit(FUZZER.main())
