"""Feeds mutated ONNX files to what opens them: ``python -m benchmarks.fuzz_onnx --inputs 100000``.

Every input has to be inferred or refused with a DataError, within ten seconds of a processor and two gibibytes.
Children do the work, so that a crash is a finding, too; the input of a finding is kept.
"""

import argparse
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from imaging_core.models.onnx.trial import problem_of
from tests.onnx_mutations import mutated, seeds

BATCH = 500
SECONDS = 10.0
MEMORY = 2 * 1024**3
WHERE = "/models/mutated.onnx"
LONGEST_MESSAGE = 8000


def work(seed: int, inputs: int, kept: Path) -> None:
    """What a child does: try one batch; the input in work lies in ``kept``."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    rng = random.Random(seed)
    whole = seeds()
    inferred = 0
    for _ in range(inputs):
        data, card = rng.choice(whole)
        data = mutated(rng, data)
        kept.write_bytes(data)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of a processor; the default action ends the process
        problem = problem_of(data, card, WHERE)
        signal.setitimer(signal.ITIMER_PROF, 0)
        if problem is not None and not (problem.startswith(WHERE) and len(problem) < LONGEST_MESSAGE):
            raise ValueError(f"poor message {problem[:1000]}")
        inferred += problem is None
    print(inferred)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run children until all inputs were tried or one is a finding."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=5_000, help="how many (default 5000)")
    parser.add_argument("--seed", type=int, default=0, help="of the first batch; each gets the next one")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="folder for inputs (default build/fuzz)")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.keep.mkdir(parents=True, exist_ok=True)
    if options.child:
        work(options.seed, options.inputs, options.keep / f"input-{options.seed}.onnx")
        return 0
    tried = inferred = 0
    while tried < options.inputs:
        batch = min(BATCH, options.inputs - tried)
        seed = options.seed + tried // BATCH
        kept = options.keep / f"input-{seed}.onnx"
        command = [sys.executable, "-m", "benchmarks.fuzz_onnx", "--child", "--seed", str(seed), "--inputs", str(batch)]
        child = subprocess.run([*command, "--keep", str(options.keep)], capture_output=True, text=True, check=False)
        if child.returncode:
            print(f"seed {seed}: exit code {child.returncode}; the input is {kept}\n{child.stderr}")
            return 1
        kept.unlink()
        inferred += int(child.stdout.split()[-1])
        tried += batch
    print(f"{tried} inputs: {inferred} inferred, {tried - inferred} refused; no crash, no hang")
    return 0


if __name__ == "__main__":
    sys.exit(main())
