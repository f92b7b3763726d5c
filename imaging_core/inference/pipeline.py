"""The staged pipeline: fetch, decode, compute, finish, each ahead of the next by a bounded queue.

    fetch (threads) -> decode (threads) -> compute (the calling thread and its device) -> finish (threads)

Fetching gets files into memory. Decoding yields model inputs, one after the other, and stages them for the device.
Computing takes them in, runs full batches that mix cases, and puts a case's outputs together. Finishing waits until the
results have arrived on the host, scores, encodes and writes them, and tells what became of the case. A case that fails
anywhere is told so too; one that found no memory is left, for another attempt (:mod:`imaging_core.inference.alone`).
Which thread is faster changes the order of what is told, never a value.

Queues are bounded in items and in bytes, and so is all that is under way. Small items pass them in groups, since a
queue costs as much as all other work on a small image. So does each hand-over of Python's lock between threads: what is
made for every case (:class:`Task`, :class:`Decoded`, :class:`Result`, …) is written by one thread and then only read,
but not frozen, which would double the time to make it.

With a cache, a case that it knows goes from fetching straight to finishing; what is put there is written by threads of
its own, behind one more queue.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TypeVar

import torch
from torch import Tensor

from imaging_core.decode.case import CaseError, Decoder, Limits, Place
from imaging_core.decode.registry import DECODERS, decode_sample
from imaging_core.errors import TemporaryError
from imaging_core.inference.batch import Batch
from imaging_core.inference.cache import Cache
from imaging_core.inference.device import Device, device_errors
from imaging_core.inference.flow import Channel, Closed, Flow, Outlet, Shared, Stopped
from imaging_core.inference.head import Head, Outcome, Sealed
from imaging_core.inference.intake import Intake
from imaging_core.inference.network import Network
from imaging_core.inference.progress import BatchLog
from imaging_core.inference.result import Result
from imaging_core.inference.signals import Interrupted, PendingSignal
from imaging_core.inference.stage_time import StageTime
from imaging_core.inference.task import Task, fetched, held_bytes
from imaging_core.inference.under_way import Block, Complete, Decoded, Member, OpenCase
from imaging_core.models.card import Card
from imaging_core.store.base import Data

Item = TypeVar("Item")

FETCH_THREADS = 4
MOST_IN_GROUP = 64
KEEP_THREADS = 4
QUEUED_BYTES = 256 * 1024 * 1024
"""How much one queue between stages may hold; a single item that is larger passes alone."""

_LOOK_SECONDS = 0.2
_WRITE_SECONDS = 5.0
"""How long after a signal results are still written; with _LEAVE_SECONDS less than a step has to end by itself."""

_LEAVE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How a pipeline runs.

    Attributes:
        threads: decode at once, and finish at once.
        limits: what one case may cost.
        decoders: the formats that are known.
        alone: whether nothing else is under way, so that a case that finds no memory now never will.
    """

    threads: int
    limits: Limits
    decoders: tuple[Decoder, ...] = DECODERS
    alone: bool = False


class Pipeline:
    """One run over some tasks.

    Args:
        card: the model's.
        network: the model on its device.
        head: what its outputs become.
        device: where it runs.
        settings: threads and limits.
        tell: called with the results of cases, each once, from any thread, when the cases' files are written.
        write: writes an output file.
        log: is told of batches.
        cache: what was inferred before, and where results are kept; None for neither.
        beside: adds further files to what was made of a case, from any thread.

    Attributes:
        left: the cases, by position, that were begun and not told.
    """

    def __init__(
        self,
        card: Card,
        network: Network,
        head: Head,
        device: Device,
        settings: Settings,
        *,
        tell: Callable[[Sequence[Result]], None],
        write: Callable[[str, Data], None],
        log: BatchLog,
        cache: Cache | None = None,
        beside: Callable[[OpenCase, Sealed, Outcome], None] | None = None,
    ) -> None:
        self._network, self._head = network, head
        self._settings, self._write, self._log, self._cache = settings, write, log, cache
        self._tell_outside, self._beside = tell, beside
        self._intake = Intake(card.input, device)
        self._channels, self._view = card.input.channels, card.input.view
        self._batch: Batch[Member] = Batch(card, device.torch)
        self._batches = log.batches
        self._group = min(MOST_IN_GROUP, card.batch)
        self.left: dict[int, Task] = {}
        threads = settings.threads
        self._flow = Flow()
        self._fetched: Channel[list[Task]] = self._flow.channel(2 * threads * self._group, QUEUED_BYTES)
        self._inputs: Channel[Block] = self._flow.channel(2 * card.batch, QUEUED_BYTES)
        self._complete: Channel[list[Complete]] = self._flow.channel(card.batch + threads, QUEUED_BYTES)
        self._to_keep: Channel[tuple[str, bytes]] = self._flow.channel(card.batch + KEEP_THREADS, QUEUED_BYTES)
        self._written = threading.Event()

    def run(self, tasks: Iterable[Task], pending: PendingSignal) -> None:
        """Infer all tasks.

        Raises:
            Interrupted: a signal arrived; the cases of batches that were computed are told, if that can be done soon.
            MemoryError: there was no memory for what belongs to no single case.
            InferenceError, OSError: the store or the device is lost; whatever ended a stage ends the run.
        """
        flow, threads, left = self._flow, self._settings.threads, Shared(iter(tasks))
        self._intake.begin_thread()
        flow.start("fetch", FETCH_THREADS, lambda: self._fetch(left), self._fetched.close)
        flow.start("decode", threads, self._decode, self._inputs.close)
        flow.start("finish", threads, self._finish, self._all_written)
        if self._cache is not None:
            flow.start("keep", KEEP_THREADS, partial(self._keep, self._cache), lambda: None)
        try:
            with flow.timed("compute"), torch.inference_mode():
                self._compute(pending)
            self._complete.close()
            while flow.running:
                pending.check()
                flow.join(_LOOK_SECONDS)
        except Stopped:
            pass
        except Interrupted as error:
            self._write_what_is_computed(pending)
            flow.stop(error)
        except BaseException as error:
            flow.stop(error)
        flow.join(_LEAVE_SECONDS)

    @property
    def times(self) -> dict[str, StageTime]:
        """Each stage's time, of the stages that have ended."""
        return self._flow.times

    def leave(self, pending: PendingSignal) -> None:
        """Wait until every thread of a run that ended early has left, and with it the memory that it held."""
        while self._flow.running:
            pending.check()
            time.sleep(_LOOK_SECONDS)

    def _fetch(self, tasks: Shared[Task]) -> None:
        misses, hits = self._outlet(self._fetched), self._outlet(self._complete)
        for task in tasks:
            self.left[task.position] = task
            try:
                fetched_task = fetched(task, self._settings.limits, self._settings.decoders)
            except (CaseError, MemoryError) as error:
                self._log.expect(-1)
                self._fail(task, error)
            else:
                self._pass_on(fetched_task, misses, hits)
        misses.flush()
        hits.flush()

    def _pass_on(self, task: Task, misses: Outlet[Task], hits: Outlet[Complete]) -> None:
        found = None if self._cache is None else self._cache.find(task)
        if found is None:
            misses.add(task, held_bytes(task))
        else:
            self._log.expect(-1)
            case = OpenCase(task, found.size, found.inputs, found.grid)
            hits.add(Complete(case, found.sealed), found.sealed.weight)

    def _decode(self) -> None:
        self._intake.begin_thread()
        outlet: Outlet[Decoded] = Outlet(lambda group, _: self._stage(group), self._group)
        with torch.inference_mode():
            while True:
                for task in self._fetched.get():
                    self._decode_case(task, outlet)
                outlet.flush()

    def _decode_case(self, task: Task, outlet: Outlet[Decoded]) -> None:
        settings = self._settings
        case = None
        try:
            decoded = decode_sample(
                task.images, self._channels, settings.limits, settings.decoders, self._view, settings.threads
            )
            case = OpenCase(task, decoded.size, decoded.count, decoded.grid, decoded.tiles)
            if decoded.count != 1:
                self._log.expect(decoded.count - 1)
            given = 0
            for each in decoded.inputs:
                if case.failed:
                    break
                given += 1
                self._intake.check(each)
                outlet.add(Decoded(case, each), each.pixels.nbytes)
            if not case.failed and (given != decoded.count or not given):
                raise ValueError(f"a decoder promised {decoded.count} inputs and gave {given}")
        except (CaseError, MemoryError) as error:
            if case is None:
                self._log.expect(-1)
            if case is None or case.fail():
                self._fail(task, error)

    def _stage(self, group: list[Decoded]) -> None:
        try:
            blocks = self._intake.stage([each.input for each in group])
        except MemoryError as error:
            if len(group) > 1:
                for each in group:
                    self._stage([each])
            elif (case := group[0].case).fail():
                self._fail(case.task, error)
            return
        members = iter([(each.case, each.input.place) for each in group])
        for staged in blocks:
            count = len(staged.values)
            self._inputs.put(Block(list(islice(members, count)), staged), staged.values.nbytes, count=count)

    def _compute(self, pending: PendingSignal) -> None:
        outlet: Outlet[Complete] = Outlet(lambda group, weight: self._hand_on(group, weight, pending), self._group)
        while True:
            pending.check()
            try:
                block = self._inputs.get(_LOOK_SECONDS)
            except TimeoutError:
                continue
            except Closed:
                break
            self._take(block, pending, outlet)
        if len(self._batch):
            self._run_batch(pending, outlet)

    def _take(self, block: Block, pending: PendingSignal, outlet: Outlet[Complete]) -> None:
        members, prepared = block.members, self._intake.take(block.staged)
        wanted = [number for number, (case, _) in enumerate(members) if not case.failed]
        if len(wanted) < len(members):
            members, prepared = [members[number] for number in wanted], prepared[wanted]
        while members:
            taken = self._batch.add(members, prepared)
            members, prepared = members[taken:], prepared[taken:]
            if self._batch.full:
                self._run_batch(pending, outlet)

    def _run_batch(self, pending: PendingSignal, outlet: Outlet[Complete]) -> None:
        members, inputs = self._batch.take()
        with pending.at_once():
            self._infer(inputs)
        self._batches += 1
        inputs_of = Counter(case for case, _ in members)
        ending = [case for case, put in inputs_of.items() if not case.failed and case.put + put == case.count]
        self._log.ran(self._batches, [case.task.position for case in ending])
        for slot, member in enumerate(members):
            if (complete := self._put(slot, *member)) is not None:
                outlet.add(complete, complete.sealed.weight)
        outlet.flush()

    def _infer(self, inputs: Tensor) -> None:
        try:
            with device_errors():
                self._head.receive(*self._network(inputs))
        except MemoryError as error:
            if not self._settings.alone:
                raise
            raise TemporaryError(
                f"no memory for a batch of {len(inputs)} inputs ({error}); give the step more, or pack "
                "the bundle with a smaller --batch"
            ) from error

    def _put(self, slot: int, case: OpenCase, place: Place) -> Complete | None:
        """Put one output of the batch to its case; the case when that was its last one."""
        if case.failed:
            case.results = None
            return None
        try:
            with device_errors():
                if case.results is None:
                    scored = case.task.truth.known or self._cache is not None
                    case.results = self._head.begin(case.task.case, case.size, case.grid, case.tiles, scored=scored)
                case.results.put(slot, place)
                case.put += 1
                if case.put < case.count:
                    return None
                sealed, case.results = case.results.seal(), None
                return Complete(case, sealed)
        except MemoryError as error:
            if case.fail():
                self._fail(case.task, error)
            return None

    def _hand_on(self, group: list[Complete], weight: int, pending: PendingSignal) -> None:
        while True:
            pending.check(after=_WRITE_SECONDS)
            with suppress(TimeoutError):
                return self._complete.put(group, weight, _LOOK_SECONDS, len(group))

    def _write_what_is_computed(self, pending: PendingSignal) -> None:
        self._complete.close()
        with suppress(Interrupted):
            while not (self._written.wait(_LOOK_SECONDS) or self._flow.stopping):
                pending.check(after=_WRITE_SECONDS)

    def _all_written(self) -> None:
        self._to_keep.close()
        self._written.set()

    def _finish(self) -> None:
        while True:
            group = self._complete.get()
            with self._flow.waiting():
                for done in group:
                    done.sealed.arrive()
            results = [self._finish_case(done.case, done.sealed) for done in group]
            self._tell(results)
            if self._cache is not None:
                self._hand_to(self._cache, group, results)

    def _finish_case(self, case: OpenCase, sealed: Sealed) -> Result:
        try:
            outcome = sealed.outcome(case.task.truth)
            if self._beside is not None:
                self._beside(case, sealed, outcome)
            for key, data in outcome.files.items():
                self._write(key, data)
        except (CaseError, MemoryError) as error:
            return Result.of_failure(case.task, error)
        return Result(case.task, outcome, case.size, case.count)

    def _hand_to(self, cache: Cache, group: list[Complete], results: list[Result]) -> None:
        for done, result in zip(group, results, strict=True):
            if isinstance(result.end, Outcome):
                entry = cache.entry(result.task, done.case.size, done.case.grid, result.inputs, done.sealed)
                if entry is not None:
                    self._to_keep.put(entry, len(entry[1]))

    def _keep(self, cache: Cache) -> None:
        while True:
            cache.keep(*self._to_keep.get())

    def _outlet(self, channel: Channel[list[Item]]) -> Outlet[Item]:
        return Outlet(lambda group, weight: channel.put(group, weight, count=len(group)), self._group)

    def _fail(self, task: Task, error: CaseError | MemoryError) -> None:
        self._tell([Result.of_failure(task, error)])

    def _tell(self, results: list[Result]) -> None:
        """Tell what became of cases; those that found no memory are left, unless they were alone."""
        told = results if self._settings.alone else [each for each in results if not each.lacked_memory]
        try:
            self._tell_outside(told)
        except MemoryError as error:
            raise TemporaryError("no memory left to write the ledger; give the step more") from error
        for each in told:
            del self.left[each.task.position]
        self._log.finished((each.task.position, each.figure) for each in results)
