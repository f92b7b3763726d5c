"""The staged pipeline: fetch, decode, compute, finish, each ahead of the next by a bounded queue.

    fetch (threads) -> decode (threads) -> compute (the calling thread and its device) -> finish (threads)

Fetching gets files into memory. Decoding yields model inputs, one after the other, and stages them for the device.
Computing takes them in, runs full batches that mix cases, and puts a case's outputs together. Finishing waits until the
results have arrived on the host, scores, encodes and writes them, and tells what became of the case. A case that fails
anywhere is told so too. Which thread is faster changes the order of what is told, never a value.

No more cases are under way than three batches (one computing, one being filled, one being finished) and what the
threads hold; the queues between are bounded in bytes as well.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor

from imaging_core.decode.case import CaseError, Decoder, Limits, Place
from imaging_core.decode.registry import DECODERS, decode_sample
from imaging_core.errors import TemporaryError
from imaging_core.inference.batch import Batch
from imaging_core.inference.device import Device, device_errors
from imaging_core.inference.flow import Channel, Closed, Flow, StageTime, Stopped
from imaging_core.inference.head import CaseResults, Head, Outcome, Sealed
from imaging_core.inference.intake import Intake
from imaging_core.inference.network import Network
from imaging_core.inference.progress import BatchLog
from imaging_core.inference.signals import Interrupted, PendingSignal
from imaging_core.inference.task import Task, fetched, held_bytes
from imaging_core.models.card import Card

FETCH_THREADS = 4
QUEUED_BYTES = 256 * 1024 * 1024
"""How much one queue between stages may hold; a single item that is larger passes alone."""

_LOOK_SECONDS = 0.2
_WRITE_SECONDS = 5.0
"""How long after a signal results are still written; with _LEAVE_SECONDS less than a step has to end by itself."""

_LEAVE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a case: how it was done, or why it failed.

    Attributes:
        task: the case.
        end: what was made of it.
        size: its spatial size in pixels, when it is done.
        inputs: how many model inputs it had.
    """

    task: Task
    end: Outcome | CaseError
    size: tuple[int, ...] = ()
    inputs: int = 0


@dataclass(frozen=True, slots=True)
class Settings:
    """How a pipeline runs.

    Attributes:
        threads: decode at once, and finish at once.
        limits: what one case may cost.
        decoders: the formats that are known.
    """

    threads: int
    limits: Limits
    decoders: tuple[Decoder, ...] = DECODERS


class _Open:
    """A case between its decoding and its last input."""

    __slots__ = ("_lock", "count", "failed", "put", "results", "size", "task")

    def __init__(self, task: Task, size: tuple[int, ...], count: int) -> None:
        self.task, self.size, self.count = task, size, count
        self.results: CaseResults | None = None
        self.put = 0
        self.failed = False
        self._lock = threading.Lock()

    def fail(self) -> bool:
        """No more is made of this case; whether that is new, so that its failure is to be told."""
        with self._lock:
            before, self.failed = self.failed, True
        return not before


@dataclass(frozen=True, slots=True)
class _Input:
    case: _Open
    staged: Tensor
    place: Place


@dataclass(frozen=True, slots=True)
class _Complete:
    case: _Open
    sealed: Sealed


class Pipeline:
    """One run over some tasks.

    Args:
        card: the model's.
        network: the model on its device.
        head: what its outputs become.
        device: where it runs.
        settings: threads and limits.
        tell: called with each case's result, from any thread, once the case's files are written.
        write: writes an output file.
        log: is told of batches.
    """

    def __init__(
        self,
        card: Card,
        network: Network,
        head: Head,
        device: Device,
        settings: Settings,
        *,
        tell: Callable[[Result], None],
        write: Callable[[str, bytes], None],
        log: BatchLog,
    ) -> None:
        self._network, self._head = network, head
        self._settings, self._write, self._log = settings, write, log
        self._tell_outside = tell
        self._intake = Intake(card.input, device)
        self._channels = card.input.channels
        self._batch: Batch[tuple[_Open, Place]] = Batch(card, device.torch)
        self._batches = 0
        threads = settings.threads
        self._flow = Flow()
        self._under_way: Channel[None] = self._flow.channel(3 * card.batch + FETCH_THREADS + 3 * threads)
        self._fetched: Channel[Task] = self._flow.channel(2 * threads, QUEUED_BYTES)
        self._inputs: Channel[_Input] = self._flow.channel(2 * card.batch, QUEUED_BYTES)
        self._complete: Channel[_Complete] = self._flow.channel(card.batch + threads, QUEUED_BYTES)
        self._written = threading.Event()

    def run(self, tasks: Iterable[Task], pending: PendingSignal) -> dict[str, StageTime]:
        """Infer all tasks; returns each stage's time.

        Raises:
            Interrupted: a signal arrived; the cases of batches that were computed are told, if that can be done soon.
            InferenceError, OSError: the store or the device is lost; whatever ended a stage ends the run.
        """
        flow, threads, left = self._flow, self._settings.threads, _Shared(iter(tasks))
        flow.start("fetch", FETCH_THREADS, lambda: self._fetch(left), self._fetched.close)
        flow.start("decode", threads, self._decode, self._inputs.close)
        flow.start("finish", threads, self._finish, self._written.set)
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
        return flow.times

    def _fetch(self, tasks: "_Shared") -> None:
        while True:
            task = tasks.next()
            if task is None:
                return
            self._under_way.put(None)
            try:
                task = fetched(task, self._settings.limits, self._settings.decoders)
            except CaseError as error:
                self._log.expect(-1)
                self._tell(Result(task, error))
            else:
                self._fetched.put(task, held_bytes(task))

    def _decode(self) -> None:
        while True:
            task = self._fetched.get()
            case = None
            try:
                settings = self._settings
                decoded = decode_sample(task.images, self._channels, settings.limits, settings.decoders)
                case = _Open(task, decoded.size, decoded.count)
                self._log.expect(decoded.count - 1)
                given = 0
                for each in decoded.inputs:
                    if case.failed:
                        break
                    given += 1
                    staged = self._intake.stage(each.pixels)
                    self._inputs.put(_Input(case, staged, each.place), staged.nbytes)
                if not case.failed and (given != decoded.count or not given):
                    raise ValueError(f"a decoder promised {decoded.count} inputs and gave {given}")
            except (CaseError, MemoryError) as error:
                failure = error if isinstance(error, CaseError) else _out_of_memory()
                if case is None:
                    self._log.expect(-1)
                if case is None or case.fail():
                    self._tell(Result(task, failure))

    def _compute(self, pending: PendingSignal) -> None:
        while True:
            pending.check()
            try:
                item = self._inputs.get(_LOOK_SECONDS)
            except TimeoutError:
                continue
            except Closed:
                break
            if item.case.failed:
                continue
            if self._batch.add((item.case, item.place), self._intake.take(item.staged)):
                self._run_batch(pending)
        if len(self._batch):
            self._run_batch(pending)

    def _run_batch(self, pending: PendingSignal) -> None:
        members, inputs = self._batch.take()
        with pending.at_once():
            self._infer(inputs)
        self._batches += 1
        complete = [each for slot, member in enumerate(members) if (each := self._put(slot, *member)) is not None]
        self._log.ran(self._batches, [each.case.task.position for each in complete])
        for each in complete:
            self._hand_on(each, pending)

    def _infer(self, inputs: Tensor) -> None:
        try:
            with device_errors():
                self._head.receive(*self._network(inputs))
        except MemoryError as error:
            raise TemporaryError(
                f"no memory for a batch of {len(inputs)} inputs ({error}); give the step more, or pack "
                "the bundle with a smaller --batch"
            ) from error

    def _put(self, slot: int, case: _Open, place: Place) -> _Complete | None:
        """Put one output of the batch to its case; the case when that was its last one."""
        if case.failed:
            case.results = None
            return None
        try:
            with device_errors():
                if case.results is None:
                    case.results = self._head.begin(case.task.case, case.size, scored=case.task.truth.known)
                case.results.put(slot, place)
                case.put += 1
                if case.put < case.count:
                    return None
                sealed, case.results = case.results.seal(), None
                return _Complete(case, sealed)
        except MemoryError:
            if case.fail():
                self._tell(Result(case.task, _out_of_memory()))
            return None

    def _hand_on(self, complete: _Complete, pending: PendingSignal) -> None:
        while True:
            pending.check(after=_WRITE_SECONDS)
            with suppress(TimeoutError):
                return self._complete.put(complete, complete.sealed.weight, _LOOK_SECONDS)

    def _write_what_is_computed(self, pending: PendingSignal) -> None:
        self._complete.close()
        with suppress(Interrupted):
            while not (self._written.wait(_LOOK_SECONDS) or self._flow.stopping):
                pending.check(after=_WRITE_SECONDS)

    def _finish(self) -> None:
        while True:
            done = self._complete.get()
            case = done.case
            with self._flow.waiting():
                done.sealed.arrive()
            try:
                outcome = done.sealed.outcome(case.task.truth)
            except (CaseError, MemoryError) as error:
                failure = error if isinstance(error, CaseError) else _out_of_memory()
                self._tell(Result(case.task, failure))
                continue
            for key, data in outcome.files.items():
                self._write(key, data)
            self._tell(Result(case.task, outcome, case.size, case.count))

    def _tell(self, result: Result) -> None:
        self._tell_outside(result)
        self._log.finished(result.task.position, result.end.figure if isinstance(result.end, Outcome) else None)
        self._under_way.get()


def _out_of_memory() -> CaseError:
    return CaseError("out_of_memory", "no memory left for this case")


class _Shared:
    """An iterator that several threads take from."""

    def __init__(self, items: Iterator[Task]) -> None:
        self._items = items
        self._lock = threading.Lock()

    def next(self) -> Task | None:
        with self._lock:
            return next(self._items, None)
