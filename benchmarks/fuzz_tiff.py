"""Feeds mutated TIFF files to the decoder: ``python -m benchmarks.fuzz_tiff --inputs 100000``.

Every input has to be read or refused with a CaseError, as an image of one and of three channels and as a mask, within
ten seconds of a processor and a gibibyte, and nothing may be printed. Children do the work, so that a crash is a
finding, too; the input of a finding is kept.
"""

import random
import sys
from functools import partial

from benchmarks.fuzzing import Fuzzer, Trial
from tests.imaging_core.decode.hostile_tiff import check, mutated


def draw(rng: random.Random) -> tuple[bytes, Trial]:
    """A mutated file, and that it is checked."""
    data = mutated(rng)
    return data, partial(check, data)


FUZZER = Fuzzer(
    "benchmarks.fuzz_tiff",
    __doc__,
    ".tif",
    draw,
    memory=1024 * 1024 * 1024,
    silent=True,
    nothing="no crash, no hang, no unbounded memory",
)


if __name__ == "__main__":
    sys.exit(FUZZER.main())
