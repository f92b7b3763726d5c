"""Feeds damaged slides to the decoders: ``python -m benchmarks.fuzz_slides --inputs 100000``.

Tiled TIFF of all compressions that are read directly, and of vendors whose files OpenSlide reads. Every input has to be
read or refused with a CaseError, as tiles at micrometres per pixel, as tiles of a level with tissue and as a mask,
within ten seconds of a processor and two gibibytes. Children do the work, so that a crash is a finding, too; the input
of a finding is kept.
"""

import random
import sys
from functools import partial

from benchmarks.fuzzing import Fuzzer, Trial
from tests.imaging_core.decode.damaged_slide import check, damaged


def draw(rng: random.Random) -> tuple[bytes, Trial]:
    """A damaged file, and that it is checked."""
    data = damaged(rng)
    return data, partial(check, data)


FUZZER = Fuzzer(
    "benchmarks.fuzz_slides",
    __doc__,
    ".svs",
    draw,
    memory=2 * 1024 * 1024 * 1024,
    inputs=10_000,
    batch=2000,
    nothing="no crash, no hang, no unbounded memory",
)


if __name__ == "__main__":
    sys.exit(FUZZER.main())
