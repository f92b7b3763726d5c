"""Feeds mutated ONNX files to what opens them: ``python -m benchmarks.fuzz_onnx --inputs 100000``.

Every input has to be inferred or refused with a DataError, within ten seconds of a processor and two gibibytes.
Children do the work, so that a crash is a finding, too; the input of a finding is kept.
"""

import random
import sys
from functools import lru_cache, partial

from benchmarks.fuzzing import Finding, Fuzzer, Trial
from imaging_core.models.card import Card
from imaging_core.models.onnx.trial import problem_of
from tests.onnx_mutations import mutated, seeds

WHERE = "/models/mutated.onnx"
LONGEST_MESSAGE = 8000


def check(data: bytes, card: Card) -> bool:
    """Whether the file is inferred; Finding where it is refused in poor words."""
    problem = problem_of(data, card, WHERE)
    if problem is not None and not (problem.startswith(WHERE) and len(problem) < LONGEST_MESSAGE):
        raise Finding(f"poor message {problem[:1000]}")
    return problem is None


def draw(rng: random.Random) -> tuple[bytes, Trial]:
    """A mutated file, and that it is tried out for the card of the whole one."""
    data, card = rng.choice(_whole())
    data = mutated(rng, data)
    return data, partial(check, data, card)


_whole = lru_cache(maxsize=1)(seeds)

FUZZER = Fuzzer(
    "benchmarks.fuzz_onnx",
    __doc__,
    ".onnx",
    draw,
    memory=2 * 1024**3,
    inputs=5_000,
    batch=500,
    taken="inferred",
)


if __name__ == "__main__":
    sys.exit(FUZZER.main())
