"""Feeds mutated DICOM files to the decoder: ``python -m benchmarks.fuzz_dicom --inputs 100000``.

Every input has to be read or refused with a CaseError, as image and as mask, within ten seconds of a processor and two
gibibytes, and nothing may be printed. Children do the work, so that a crash is a finding, too; the input of a finding
is kept.
"""

import argparse
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from imaging_core.decode.case import Case, CaseError, Limits
from imaging_core.decode.dicom import DICOM
from imaging_core.store import Location
from imaging_core.store.memory import MemorySource
from tests.imaging_core.decode.hostile_dicom import mutated

BATCH = 5000
SECONDS = 10.0
MEMORY = 2 * 1024 * 1024 * 1024
LIMITS = (Limits(pixels=10**6), Limits(pixels=10**6, dicom="rescaled"))


class Finding(Exception):  # noqa: N818 - what a fuzzer looks for
    """The decoder did what it must not do."""


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
        DICOM.mask(source, LIMITS[0], indices=True)
    return taken


def work(seed: int, inputs: int, kept: Path) -> None:
    """What a child does: check one batch; the input in work lies in ``kept``."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    rng = random.Random(seed)
    taken = 0
    for _ in range(inputs):
        data = mutated(rng)
        kept.write_bytes(data)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of a processor; the default action ends the process
        taken += check(data)
        signal.setitimer(signal.ITIMER_PROF, 0)
    print(taken)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run children until all inputs were tried or one is a finding."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20_000, help="how many (default 20000)")
    parser.add_argument("--seed", type=int, default=0, help="of the first batch; each gets the next one")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="folder for inputs (default build/fuzz)")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.keep.mkdir(parents=True, exist_ok=True)
    if options.child:
        work(options.seed, options.inputs, options.keep / f"input-{options.seed}.dcm")
        return 0
    tried = taken = 0
    while tried < options.inputs:
        batch, seed = min(BATCH, options.inputs - tried), options.seed + tried // BATCH
        kept = options.keep / f"input-{seed}.dcm"
        command = [
            sys.executable,
            "-m",
            "benchmarks.fuzz_dicom",
            "--child",
            "--seed",
            str(seed),
            "--inputs",
            str(batch),
        ]
        child = subprocess.run([*command, "--keep", str(options.keep)], capture_output=True, text=True, check=False)
        if child.returncode or child.stderr:
            print(f"seed {seed}: exit code {child.returncode}; the input is {kept}\n{child.stderr}")
            return 1
        kept.unlink()
        taken += int(child.stdout)
        tried += batch
    print(f"{tried} inputs: {taken} read, {tried - taken} refused; no crash, no hang, no other error")
    return 0


if __name__ == "__main__":
    sys.exit(main())
