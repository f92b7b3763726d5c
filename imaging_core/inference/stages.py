"""What each stage of the pipeline does with what comes to it, whichever thread does it.

Where it leaves what it made, :class:`Exits`, is the pipeline's choice.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from imaging_core.decode.case import CaseError, Decoder, Limits, Place
from imaging_core.decode.registry import DECODERS, decode_sample
from imaging_core.errors import TemporaryError
from imaging_core.inference.batch import Batch
from imaging_core.inference.cache import Cache
from imaging_core.inference.concurrency import Tally
from imaging_core.inference.device import Device, device_errors
from imaging_core.inference.flow import Exit, Item, Outlet
from imaging_core.inference.head import Head, Outcome, Sealed
from imaging_core.inference.intake import Intake
from imaging_core.inference.network import Network
from imaging_core.inference.prefetch import prefetched
from imaging_core.inference.progress import BatchLog
from imaging_core.inference.result import Result
from imaging_core.inference.task import Task, fetched, held_bytes
from imaging_core.inference.under_way import Block, Complete, Decoded, Member, OpenCase
from imaging_core.models.card import Card
from imaging_core.store.base import Data

MOST_IN_GROUP = 64
"""Items that pass a queue together."""

IN_TURN_GROUPS = 8
IN_TURN_BYTES = 2 * 1024 * 1024
"""One thread that does all stages does each of them for so many groups, and bytes of prepared inputs, before the next:
what a stage works with has left the processor's cache whenever it comes to it again."""


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


@dataclass(slots=True)
class Exits:
    """Where each stage leaves what it made.

    Attributes:
        fetched: of fetching, for decoding.
        inputs: of decoding, for computing.
        complete: of computing, and of fetching what the cache knows, for finishing.
        files: of finishing and of saving, key below the run and bytes, in the order in which they are to be written.
        to_keep: of finishing, for the cache.
        group: how many items pass together at most.
    """

    fetched: Exit[list[Task]]
    inputs: Exit[Block]
    complete: Exit[list[Complete]]
    files: Exit[tuple[str, Data]]
    to_keep: Exit[tuple[str, bytes]]
    group: int


class Stages:
    """The stages of one pipeline.

    Args:
        card: the model's.
        network: the model on its device.
        head: what its outputs become.
        device: where it runs.
        settings: threads and limits.
        tell: called with the results of cases, each once, from any thread, after the cases' files passed the exit;
            gives what is to be written after these, as key and bytes.
        log: is told of batches.
        cache: what was inferred before, and where results are kept; None for neither.
        beside: adds further files to what was made of a case, from any thread.

    Attributes:
        settings: as given.
        cache: as given.
        on_cpu: whether all is computed on the CPU.
        batch: how many inputs make a batch.
        left: the cases, by position, that were begun and not told.
        fetched: counts cases, and knows the most bytes of one's files.
        finished: counts cases, and knows the most bytes of one's results.
        group: how many items pass an exit together at most.
        group_in_turn: the same where one thread does all stages.
        exits: to be set before anything is done.
    """

    exits: Exits

    def __init__(
        self,
        card: Card,
        network: Network,
        head: Head,
        device: Device,
        settings: Settings,
        *,
        tell: Callable[[Sequence[Result]], Iterable[tuple[str, bytes]]],
        log: BatchLog,
        cache: Cache | None = None,
        beside: Callable[[OpenCase, Sealed, Outcome], None] | None = None,
    ) -> None:
        self._network, self._head = network, head
        self.settings, self._log, self.cache = settings, log, cache
        self.on_cpu, self.batch = device.torch.type == "cpu", card.batch
        self._tell_outside, self._beside = tell, beside
        self._intake = Intake(card.input, device)
        self._channels, self._view = card.input.channels, card.input.view
        self._batch: Batch[Member] = Batch(card, device.torch)
        self._batches = log.batches
        self.group = min(MOST_IN_GROUP, card.batch)
        each = card.input.channels * math.prod(card.input.size) * torch.float32.itemsize
        self.group_in_turn = self.group * max(1, min(IN_TURN_GROUPS, IN_TURN_BYTES // (self.group * each)))
        self.left: dict[int, Task] = {}
        self.fetched, self.finished = Tally(), Tally()

    def begin_thread(self) -> None:
        """Called first by each thread that decodes or computes."""
        self._intake.begin_thread()

    def fetch(self, tasks: Iterable[Task | Result]) -> None:
        """Get the files of tasks into memory, or their results out of the cache; tell what has failed already."""
        misses, hits = self._outlet(self.exits.fetched), self._outlet(self.exits.complete)
        limits, decoders = self.settings.limits, self.settings.decoders
        for task in prefetched(self._begun(tasks), limits, decoders):
            try:
                fetched_task = fetched(task, limits, decoders)
            except (CaseError, MemoryError) as error:
                self._log.expect(-1)
                self._fail(task, error)
            else:
                weight = held_bytes(fetched_task)
                self.fetched.add(weight)
                self._pass_on(fetched_task, weight, misses, hits)
        misses.flush()
        hits.flush()

    def _begun(self, tasks: Iterable[Task | Result]) -> Iterator[Task]:
        """Tasks as they are begun; what has failed already is told at once, before others are asked for."""
        for each in tasks:
            if isinstance(each, Result):
                self.left[each.task.position] = each.task
                self._log.expect(-1)
                self._tell([each])
            else:
                self.left[each.position] = each
                yield each

    def decode(self, tasks: list[Task]) -> None:
        """Make model inputs of fetched tasks, one after the other."""
        outlet: Outlet[Decoded] = Outlet(lambda group, _: self._stage(group), self.exits.group)
        for task in tasks:
            self._decode_case(task, outlet)
        outlet.flush()

    def compute(self, block: Block) -> None:
        """Take inputs into the batch, and run it whenever it is full."""
        members, prepared = block.members, self._intake.take(block.staged)
        wanted = [number for number, (case, _) in enumerate(members) if not case.failed]
        if len(wanted) < len(members):
            members, prepared = [members[number] for number in wanted], prepared[wanted]
        while members:
            taken = self._batch.add(members, prepared)
            members, prepared = members[taken:], prepared[taken:]
            if self._batch.full:
                self._run_batch()

    def compute_rest(self) -> None:
        """Run the batch that is not full; no input follows."""
        if len(self._batch):
            self._run_batch()

    def finish(self, group: list[Complete]) -> None:
        """Score, encode and tell cases whose results have arrived on the host."""
        results = []
        for done in group:
            results.append(self._finish_case(done.case, done.sealed))
            self.finished.add(done.sealed.weight)
        self._tell(results)
        if self.cache is not None:
            self._hand_to(self.cache, group, results)

    def _pass_on(self, task: Task, weight: int, misses: Outlet[Task], hits: Outlet[Complete]) -> None:
        found = None if self.cache is None else self.cache.find(task)
        if found is None:
            misses.add(task, weight)
        else:
            self._log.expect(-1)
            case = OpenCase(task, found.size, found.inputs, found.grid)
            hits.add(Complete(case, found.sealed), found.sealed.weight)

    def _decode_case(self, task: Task, outlet: Outlet[Decoded]) -> None:
        settings = self.settings
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
            self.exits.inputs.put(Block(list(islice(members, count)), staged), staged.values.nbytes, count=count)

    def _run_batch(self) -> None:
        members, inputs = self._batch.take()
        self._infer(inputs)
        self._batches += 1
        inputs_of = Counter(case for case, _ in members)
        ending = [case for case, put in inputs_of.items() if not case.failed and case.put + put == case.count]
        self._log.ran(self._batches, [case.task.position for case in ending])
        outlet = self._outlet(self.exits.complete)
        for slot, member in enumerate(members):
            if (complete := self._put(slot, *member)) is not None:
                outlet.add(complete, complete.sealed.weight)
        outlet.flush()

    def _infer(self, inputs: Tensor) -> None:
        try:
            with device_errors():
                self._head.receive(*self._network(inputs))
        except MemoryError as error:
            if not self.settings.alone:
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
                    scored = case.task.truth.known or self.cache is not None
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

    def _finish_case(self, case: OpenCase, sealed: Sealed) -> Result:
        try:
            outcome = sealed.outcome(case.task.truth)
            if self._beside is not None:
                self._beside(case, sealed, outcome)
            for file in outcome.files.items():
                self.exits.files.put(file, len(file[1]))
        except (CaseError, MemoryError) as error:
            return Result.of_failure(case.task, error)
        return Result(case.task, outcome, case.size, case.count)

    def _hand_to(self, cache: Cache, group: list[Complete], results: list[Result]) -> None:
        for done, result in zip(group, results, strict=True):
            if isinstance(result.end, Outcome):
                entry = cache.entry(result.task, done.case.size, done.case.grid, result.inputs, done.sealed)
                if entry is not None:
                    self.exits.to_keep.put(entry, len(entry[1]))

    def _outlet(self, towards: Exit[list[Item]]) -> Outlet[Item]:
        return Outlet(lambda group, weight: towards.put(group, weight, count=len(group)), self.exits.group)

    def _fail(self, task: Task, error: CaseError | MemoryError) -> None:
        self._tell([Result.of_failure(task, error)])

    def _tell(self, results: list[Result]) -> None:
        """Tell what became of cases; those that found no memory are left, unless they were alone."""
        told = results if self.settings.alone else [each for each in results if not each.lacked_memory]
        try:
            for file in self._tell_outside(told):
                self.exits.files.put(file, len(file[1]))
        except MemoryError as error:
            raise TemporaryError("no memory left to write the ledger; give the step more") from error
        for each in told:
            del self.left[each.task.position]
        self._log.finished((each.task.position, each.figure) for each in results)
