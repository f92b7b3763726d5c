"""What a person and Argo see of a running step: DeepHealth's line per batch, and the cases done of all."""

import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

_FILE_SECONDS = 0.5


@dataclass(slots=True)
class _Batch:
    """The cases whose last input was in a batch: how many are not finished yet, and the figures of the others."""

    open: int
    figures: list[float] = field(default_factory=list)


class BatchLog:
    """``Batch b/N - IoU: x - IoU: y``: x is the mean over the batch's cases, y the mean so far.

    N follows from the inputs that are known: at first one per case; cases that fail or come from a cache lower it,
    cases of many inputs raise it. A line is printed when the last of the batch's cases is scored, in the order of
    batches. Safe to call from every thread.

    Args:
        figure: ``IoU`` or ``accuracy``.
        batch: inputs in a batch.
        inputs: how many are expected.
        say: prints a line.
    """

    def __init__(self, figure: str, batch: int, inputs: int, say: Callable[[str], None]) -> None:
        self._figure, self._batch, self._inputs, self._say = figure, batch, inputs, say
        self._lock = threading.Lock()
        self._batches: dict[int, _Batch] = {}
        self._batch_of: dict[int, int] = {}
        self._ran = self._said = 0
        self._total, self._scored = 0.0, 0

    @property
    def batches(self) -> int:
        """How many were run."""
        return self._ran

    def expect(self, more: int) -> None:
        """So many inputs more (or fewer) will come than was thought."""
        with self._lock:
            self._inputs += more

    def ran(self, number: int, cases: Iterable[int]) -> None:
        """Batch ``number`` (from 1) was run; the cases at these positions had their last input in it."""
        with self._lock:
            self._ran = number
            members = list(cases)
            self._batches[number] = _Batch(len(members))
            self._batch_of.update(dict.fromkeys(members, number))
            self._say_what_is_complete()

    def finished(self, figures: Iterable[tuple[int, float | None]]) -> None:
        """The cases at these positions are done (the figure is None without ground truth) or failed."""
        with self._lock:
            for case, figure in figures:
                number = self._batch_of.pop(case, None)
                if number is None:
                    continue
                batch = self._batches[number]
                batch.open -= 1
                if figure is not None:
                    batch.figures.append(figure)
            self._say_what_is_complete()

    def _say_what_is_complete(self) -> None:
        while (batch := self._batches.get(self._said + 1)) is not None and batch.open == 0:
            self._said += 1
            del self._batches[self._said]
            line = f"Batch {self._said}/{max(self._said, math.ceil(self._inputs / self._batch))}"
            if batch.figures:
                self._total += math.fsum(batch.figures)
                self._scored += len(batch.figures)
                mean = math.fsum(batch.figures) / len(batch.figures)
                line += f" - {self._figure}: {mean:.4f} - {self._figure}: {self._total / self._scored:.4f}"
            self._say(line)


class ProgressFile:
    """Keeps ``n/m`` in the file that Argo names; written at most twice a second, and never worth failing for."""

    def __init__(self, file: Path | None, cases: int) -> None:
        self._file, self._cases = file, cases
        self._lock = threading.Lock()
        self._written_at = -math.inf

    def show(self, finished: int, *, now: bool = False) -> None:
        """So many cases are finished; ``now`` writes in any case."""
        if self._file is None:
            return
        with self._lock:
            if not now and time.monotonic() < self._written_at + _FILE_SECONDS:
                return
            self._written_at = time.monotonic()
            try:
                self._file.write_text(f"{finished}/{self._cases}\n")
            except OSError:
                self._file = None
