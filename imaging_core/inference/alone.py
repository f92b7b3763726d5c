"""When memory runs out: the cases that found none are done one after the other, with nothing else under way."""

import ctypes
import gc
from collections.abc import Callable, Iterable
from contextlib import suppress

from imaging_core.inference.pipeline import Pipeline
from imaging_core.inference.result import Result
from imaging_core.inference.signals import PendingSignal
from imaging_core.inference.stage_time import StageTime, add_times
from imaging_core.inference.task import Task

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""As in glibc's malloc.h."""

_LARGE = 1024 * 1024
"""Bytes that are given back to the system as soon as they are freed."""


def run_within_memory(
    make: Callable[[bool], Pipeline], tasks: Iterable[Task | Result], pending: PendingSignal
) -> dict[str, StageTime]:
    """Infer all tasks; returns each stage's time.

    A case that finds no memory beside others gets another attempt with all of it, and fails when that is not enough.
    When there is none for what belongs to no single case, a batch say, all that is under way is done so.

    Args:
        make: makes a pipeline, for one case alone or for many.
        tasks: the cases; of those that have failed already, that.
        pending: tells of signals.

    Raises:
        TemporaryError: there is no memory even for a batch with one case.
        Whatever else ends a run of the pipeline.
    """
    waiting = iter(tasks)
    times: dict[str, StageTime] = {}
    ended = False
    while not ended:
        pipeline = make(False)
        try:
            pipeline.run(waiting, pending)
            ended = True
        except MemoryError:
            pipeline.leave(pending)
        left = [pipeline.left[position] for position in sorted(pipeline.left)]
        add_times(times, pipeline.times)
        del pipeline
        for task in left:
            _give_memory_back()
            alone = make(True)
            alone.run([task], pending)
            add_times(times, alone.times)
    return times


def _give_memory_back() -> None:
    """Free what nobody holds any more, so that one large piece can be had, and from now on at once.

    glibc else keeps tens of MiB for each thread that held a large image, and more with every image that fits in them.
    """
    gc.collect()
    with suppress(OSError, AttributeError):  # not every C library has them
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        library.mallopt(_M_TRIM_THRESHOLD, _LARGE)
        library.malloc_trim(0)
