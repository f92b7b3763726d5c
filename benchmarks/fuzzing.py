"""What all fuzzers here share: children that try batches of inputs, so that a crash or a hang is a finding, too.

Each input lies in a file while it is tried; that of a finding is kept.
"""

import argparse
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Trial = Callable[[], bool]
"""Whether an input is taken; Finding, or any exception, where something is wrong."""


class Finding(Exception):  # noqa: N818 - what a fuzzer looks for
    """What is tried did what it must not do."""


@dataclass(frozen=True, slots=True)
class Fuzzer:
    """One kind of input and what is tried with it.

    Attributes:
        module: the fuzzer's own, as ``python -m`` takes it.
        words: its docstring, for ``--help``.
        suffix: of an input's file.
        draw: an input, by the generator alone, and what is tried with it.
        memory: bytes that a child may have.
        limit: which of its memory that is, a limit of :mod:`resource`.
        seconds: of a processor, for one input.
        inputs: how many are tried by default.
        batch: how many one child tries.
        taken: what became of inputs that are taken, in a word.
        silent: whether what a child prints as an error is a finding, too.
        nothing: what was not found, at the end.
    """

    module: str
    words: str | None
    suffix: str
    draw: Callable[[random.Random], tuple[bytes, Trial]]
    memory: int
    limit: int = resource.RLIMIT_DATA
    seconds: float = 10.0
    inputs: int = 20_000
    batch: int = 5000
    taken: str = "read"
    silent: bool = False
    nothing: str = "no crash, no hang"

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Run children until all inputs were tried or one is a finding."""
        parser = argparse.ArgumentParser(
            description=self.words,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument("--inputs", type=int, default=self.inputs, help=f"how many (default {self.inputs})")
        parser.add_argument("--seed", type=int, default=0, help="of the first batch; each gets the next one")
        parser.add_argument(
            "--keep", type=Path, default=Path("build/fuzz"), help="folder for inputs (default build/fuzz)"
        )
        parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
        options = parser.parse_args(arguments)
        options.keep.mkdir(parents=True, exist_ok=True)
        if options.child:
            self._work(options.seed, options.inputs, self._file(options.keep, options.seed))
            return 0
        return self._run(options.inputs, options.seed, options.keep)

    def _file(self, keep: Path, seed: int) -> Path:
        return keep / f"input-{seed}{self.suffix}"

    def _run(self, inputs: int, first: int, keep: Path) -> int:
        tried = taken = 0
        while tried < inputs:
            batch, seed = min(self.batch, inputs - tried), first + tried // self.batch
            command = [sys.executable, "-m", self.module, "--child", "--seed", str(seed)]
            command += ["--inputs", str(batch), "--keep", str(keep)]
            child = subprocess.run(command, capture_output=True, text=True, check=False)
            kept = self._file(keep, seed)
            if child.returncode or (self.silent and child.stderr):
                print(f"seed {seed}: exit code {child.returncode}; the input is {kept}\n{child.stderr}")
                return 1
            kept.unlink()
            taken += int(child.stdout.split()[-1])
            tried += batch
        print(f"{tried} inputs: {taken} {self.taken}, {tried - taken} refused; {self.nothing}")
        return 0

    def _work(self, seed: int, inputs: int, kept: Path) -> None:
        """What a child does: check one batch; the input in work lies in ``kept``."""
        resource.setrlimit(self.limit, (self.memory, self.memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        rng = random.Random(seed)
        taken = 0
        for _ in range(inputs):
            data, trial = self.draw(rng)
            kept.write_bytes(data)
            signal.setitimer(signal.ITIMER_PROF, self.seconds)  # the default action ends the process
            taken += trial()
            signal.setitimer(signal.ITIMER_PROF, 0)
        print(taken)
