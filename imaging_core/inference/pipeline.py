"""The staged pipeline: fetch, decode, compute, finish.

Fetching gets files into memory. Decoding yields model inputs, one after the other, and stages them for the device.
Computing takes them in, runs full batches that mix cases, and puts a case's outputs together. Finishing waits until the
results have arrived on the host, scores, encodes and writes them, and tells what became of the case. A case that fails
anywhere is told so too; one that found no memory is left, for another attempt (:mod:`imaging_core.inference.alone`).

Side by side, each stage is ahead of the next by a bounded queue:

    fetch (threads) -> decode (threads) -> compute (one thread and its device) -> finish (threads)

Where others wait for the store, those that fetch or write grow in number (:mod:`imaging_core.inference.concurrency`).

Queues are bounded in items and in bytes, and so is all that is under way. Small items pass them in groups, since a
queue costs as much as all other work on a small image. So does each hand-over of Python's lock between threads: what is
made for every case (:class:`Task`, :class:`Decoded`, :class:`Result`, …) is written by one thread and then only read,
but not frozen, which would double the time to make it. Which thread is faster changes the order of what is told, never
a value.

A step with one thread on a CPU has nothing to gain by that as long as nothing waits, and small images lose a third of
its time to hand-overs. It begins in turn: one thread does all stages, and another writes what that made. Where fetching
waits for the store after all, the rest is done side by side. A case that is to have all memory is done in turn, too.

The calling thread only looks for signals. What computes begins with the pipeline: oneDNN's generator of code, once it
found no memory, never does again in the same thread.

With a cache, a case that it knows goes from fetching straight to finishing; what is put there is written by threads of
its own, behind one more queue.

What was told is saved by the clock, not with the next case: that may come in an hour, or never.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial

import torch

from imaging_core.errors import TemporaryError
from imaging_core.inference.cache import Cache
from imaging_core.inference.concurrency import Concurrency
from imaging_core.inference.flow import Channel, Closed, Flow, Item, Shared, Stopped
from imaging_core.inference.result import Result
from imaging_core.inference.signals import Interrupted, PendingSignal
from imaging_core.inference.stage_time import StageTime, add_times, count_as_waiting, waits_for_store
from imaging_core.inference.stages import Exits, Stages
from imaging_core.inference.task import Task
from imaging_core.inference.under_way import Block, Complete
from imaging_core.store.base import Data

FETCH_THREADS = 4
MOST_FETCH_THREADS = 16
MOST_WRITE_THREADS = 32
KEEP_THREADS = 4
QUEUED_BYTES = 256 * 1024 * 1024
"""How much one queue between stages may hold; a single item that is larger passes alone."""

CHECKPOINT_SECONDS = 5.0
"""A step that is killed does again what was told later than so long ago, and what was under way."""

_LOOK_SECONDS = 0.2
_WRITE_SECONDS = 5.0
"""How long after a signal results are still written; with _LEAVE_SECONDS less than a step has to end by itself."""

_LEAVE_SECONDS = 2.0

_WRITE_ATTEMPTS = 10
_TELLING_SECONDS = 1.0
"""So long a stage's time says something: in less, whoever was interrupted by another program seems to wait."""


class Pipeline:
    """One run over some tasks.

    Args:
        stages: what is done.
        write: puts a file into the run.
        save: gives what keeps what was told, as key and bytes; asked for every CHECKPOINT_SECONDS, and when
            all is told or a signal ends the run.

    Attributes:
        times: each stage's, of the stages that have ended.
    """

    def __init__(
        self, stages: Stages, write: Callable[[str, Data], None], save: Callable[[], Iterable[tuple[str, Data]]] = tuple
    ) -> None:
        self._stages, self._write, self._save = stages, write, save
        self._alone = stages.settings.alone
        self._begins_in_turn = self._alone or (stages.settings.threads == 1 and stages.on_cpu)
        self._flow, self._written = Flow(), threading.Event()
        self.times: dict[str, StageTime] = {}

    @property
    def left(self) -> dict[int, Task]:
        """The cases, by position, that were begun and not told."""
        return self._stages.left

    def run(self, tasks: Iterable[Task | Result], pending: PendingSignal) -> None:
        """Infer all tasks.

        Raises:
            Interrupted: a signal arrived; the cases of batches that were computed are told, if that can be done soon.
            MemoryError: there was no memory for what belongs to no single case.
            InferenceError, OSError: the store or the device is lost; whatever ended a stage ends the run.
        """
        left = iter(tasks)
        ways = [self._in_turn, self._side_by_side] if self._begins_in_turn else [self._side_by_side]
        for way in ways:
            self._flow, self._written = Flow(), threading.Event()
            try:
                ended = way(left, pending)
            finally:
                add_times(self.times, self._flow.times)
            if ended:
                break

    def leave(self, pending: PendingSignal) -> None:
        """Wait until every thread of a run that ended early has left, and with it the memory that it held."""
        while self._flow.running:
            pending.check()
            time.sleep(_LOOK_SECONDS)

    def _in_turn(self, tasks: Iterator[Task | Result], pending: PendingSignal) -> bool:
        """One thread does all that computes. Whether that was all: where it waits for the store, the rest is left."""
        flow, stages = self._flow, self._stages
        inputs = flow.call("compute", stages.compute)
        files: Channel[tuple[str, Data]] = flow.channel(2 * stages.group, QUEUED_BYTES)
        to_keep = self._start_keeping()
        ended = False

        def while_nothing_waits() -> Iterator[Task | Result]:
            nonlocal ended
            look_at = time.monotonic() + _TELLING_SECONDS
            for task in tasks:
                yield task
                if flow.stopping or inputs.closed:
                    raise Stopped
                if time.monotonic() >= look_at and not self._alone:
                    look_at = time.monotonic() + _TELLING_SECONDS
                    if waits_for_store(flow.times):
                        return
            ended = True

        def work() -> None:
            stages.begin_thread()
            with torch.inference_mode():
                stages.fetch(while_nothing_waits())
                if ended:
                    with flow.timed("compute"):
                        stages.compute_rest()

        def write() -> None:
            try:
                while True:
                    self._write_at_last(*files.get())
            except Stopped:  # what was told has its files, whatever stopped the others
                for file in files.rest():
                    self._write_at_last(*file)

        stages.exits = Exits(
            fetched=flow.call("decode", stages.decode),
            inputs=inputs,
            complete=flow.call("finish", stages.finish),
            files=_AtOnce(self._write) if self._alone else files,
            to_keep=to_keep,
            group=stages.group if self._alone else stages.group_in_turn,
        )
        flow.start("fetch", 1, work, self._start_saving(files.close))
        flow.start("write", 1, write, partial(self._all_written, to_keep))
        self._watch(pending, inputs.close)
        count_as_waiting(flow.times)
        return ended

    def _side_by_side(self, tasks: Iterator[Task | Result], pending: PendingSignal) -> bool:
        """Each stage has its threads; those that finish also write.

        Those that fetch or write are more where the store takes its time.
        """
        flow, stages, shared = self._flow, self._stages, Shared(tasks)
        threads, batch = stages.settings.threads, stages.batch
        fetched: Channel[list[Task]] = flow.channel(2 * threads * stages.group, QUEUED_BYTES)
        inputs: Channel[Block] = flow.channel(2 * batch, QUEUED_BYTES)
        complete: Channel[list[Complete]] = flow.channel(batch + threads, QUEUED_BYTES)
        to_keep = self._start_keeping()
        enough = threading.Event()

        def decode() -> None:
            stages.begin_thread()
            with torch.inference_mode():
                while True:
                    stages.decode(fetched.get())

        def compute() -> None:
            stages.begin_thread()
            with torch.inference_mode():
                with suppress(Closed):
                    while not enough.is_set():
                        stages.compute(inputs.get())
                if not enough.is_set():
                    stages.compute_rest()

        def fetch() -> None:
            stages.fetch(_until(partial(flow.surplus, "fetch"), shared))

        def finish() -> None:
            while not flow.surplus("finish"):
                group = complete.get()
                with flow.waiting():
                    for done in group:
                        done.sealed.arrive()
                stages.finish(group)

        def compute_no_more() -> None:
            enough.set()
            inputs.close()

        stages.exits = Exits(fetched, inputs, complete, _AtOnce(self._write), to_keep, stages.group)
        flow.start("fetch", FETCH_THREADS, fetch, fetched.close)
        flow.start("decode", threads, decode, inputs.close)
        flow.start("compute", 1, compute, complete.close)
        flow.start("finish", threads, finish, self._start_saving(partial(self._all_written, to_keep)))
        flow.adapt("fetch", Concurrency(FETCH_THREADS, MOST_FETCH_THREADS), stages.fetched, lambda: fetched.starved)
        flow.adapt("finish", Concurrency(threads, MOST_WRITE_THREADS), stages.finished, lambda: complete.crowded)
        self._watch(pending, compute_no_more)
        return True

    def _watch(self, pending: PendingSignal, compute_no_more: Callable[[], None]) -> None:
        """Wait for the stages and look for signals, in the only thread that gets them.

        After a signal what is computed may still be written, but not for long.
        """
        flow = self._flow
        try:
            while flow.running:
                pending.check()
                flow.join(_LOOK_SECONDS)
                flow.look()
        except Interrupted as error:
            compute_no_more()
            with suppress(Interrupted):
                while not (self._written.wait(_LOOK_SECONDS) or flow.stopping):
                    pending.check(after=_WRITE_SECONDS)
            flow.stop(error)
        except BaseException as error:
            flow.stop(error)
        flow.join(_LEAVE_SECONDS)

    def _write_at_last(self, key: str, data: Data) -> None:
        """Write a file of a case that is told, if need be when others have given memory back."""
        for _ in range(_WRITE_ATTEMPTS):
            try:
                return self._write(key, data)
            except MemoryError:
                time.sleep(_LOOK_SECONDS)
        raise TemporaryError("no memory left to write results; give the step more")

    def _start_keeping(self) -> Channel[tuple[str, bytes]]:
        """The queue of what is put into the cache, if there is one, by threads of its own."""
        to_keep: Channel[tuple[str, bytes]] = self._flow.channel(self._stages.batch + KEEP_THREADS, QUEUED_BYTES)
        if (cache := self._stages.cache) is not None:
            self._flow.start("keep", KEEP_THREADS, partial(_keep, cache, to_keep), lambda: None)
        return to_keep

    def _start_saving(self, then: Callable[[], None]) -> Callable[[], None]:
        """Save every now and then, behind the files of what was told; what it returns ends that, and then calls."""
        told_all: Channel[None] = self._flow.channel(1)
        unsaved: dict[str, Data] = {}

        def save() -> None:
            with suppress(MemoryError):  # there may be some the next time
                unsaved.update(self._save())
                for key, data in list(unsaved.items()):
                    self._stages.exits.files.put((key, data), len(data))
                    del unsaved[key]

        def work() -> None:
            try:
                while True:
                    with suppress(TimeoutError):
                        told_all.get(CHECKPOINT_SECONDS)
                    save()
            except Closed:
                save()

        self._flow.start_beside("save", work, then)
        return told_all.close

    def _all_written(self, to_keep: Channel[tuple[str, bytes]]) -> None:
        to_keep.close()
        self._written.set()


def _until(enough: Callable[[], bool], items: Iterable[Item]) -> Iterator[Item]:
    """Items until there are enough; none is taken and not given."""
    for item in items:
        yield item
        if enough():
            return


class _AtOnce:
    """Writes what is put in."""

    def __init__(self, write: Callable[[str, Data], None]) -> None:
        self._write = write

    def put(self, item: tuple[str, Data], weight: int = 0, *, count: int = 1) -> None:  # noqa: ARG002 - the protocol's
        self._write(*item)


def _keep(cache: Cache, entries: Channel[tuple[str, bytes]]) -> None:
    while True:
        cache.keep(*entries.get())
