"""Feeds damaged NIfTI files to the decoder: ``python -m benchmarks.fuzz_nifti --inputs 100000``.

Every input has to be read or refused with a CaseError, as slices, as patches at a spacing and as a mask, within ten
seconds of a processor and a gibibyte. Children do the work, so that a crash is a finding, too; the input of a finding
is kept.
"""

import argparse
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.imaging_core.decode.damaged_nifti import check, damaged

BATCH = 5000
SECONDS = 10.0
MEMORY = 1024 * 1024 * 1024


def work(seed: int, inputs: int, kept: Path) -> None:
    """What a child does: check one batch; the input in work lies in ``kept``."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    rng = random.Random(seed)
    taken = 0
    for _ in range(inputs):
        data = damaged(rng)
        kept.write_bytes(data)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of a processor; the default action ends the process
        taken += check(data)
        signal.setitimer(signal.ITIMER_PROF, 0)
    print(taken)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run children until all inputs were tried or one is a finding."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000, help="how many (default 10000)")
    parser.add_argument("--seed", type=int, default=0, help="of the first batch; each gets the next one")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="folder for inputs (default build/fuzz)")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.keep.mkdir(parents=True, exist_ok=True)
    kept = options.keep / f"input-{options.seed}.nii"
    if options.child:
        work(options.seed, options.inputs, kept)
        return 0
    tried = taken = 0
    while tried < options.inputs:
        batch = min(BATCH, options.inputs - tried)
        seed = options.seed + tried // BATCH
        kept = options.keep / f"input-{seed}.nii"
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.fuzz_nifti", "--child", "--seed", str(seed)]
        command += ["--inputs", str(batch), "--keep", str(options.keep)]
        child = subprocess.run(command, capture_output=True, text=True, check=False)
        if child.returncode:
            print(f"seed {seed}: exit code {child.returncode}; the input is {kept}\n{child.stderr}")
            return 1
        kept.unlink()
        taken += int(child.stdout)
        tried += batch
    print(f"{tried} inputs: {taken} read, {tried - taken} refused; no crash, no hang, no unbounded memory")
    return 0


if __name__ == "__main__":
    sys.exit(main())
