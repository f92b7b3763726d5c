"""Tasks whose files are asked for many at once, and before they are needed, where their store gives them so.

One request after the other is most of what small images in a bucket cost, and all of it where the bucket is far away.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from imaging_core.decode.case import Decoder, Limits
from imaging_core.errors import InferenceError
from imaging_core.inference.task import Task, Truth, read_in_pieces
from imaging_core.store import AT_ONCE, TOGETHER, Source, read_together
from imaging_core.store.memory import MemorySource

GROUP = AT_ONCE // 2
"""Files that are asked for together: while they are used, the next group is on its way."""

GROUP_BYTES = 2 * 1024 * 1024
"""Together at most; what is larger comes alone, and other threads fetch beside it."""


def prefetched(tasks: Iterable[Task], limits: Limits, decoders: Sequence[Decoder]) -> Iterator[Task]:
    """The same tasks in their order, with those files in memory that came; the others are to be fetched one by one.

    How many are asked for follows from the size of those before: at first, and where they are large, one.
    """
    left = iter(tasks)
    count = 1

    def begin() -> _Group:
        return _Group(list(islice(left, count)), limits, decoders)

    for task in left:
        if not _may_come_together(task):
            yield task
            continue
        group = _Group([task], limits, decoders)
        while group.tasks:
            ahead = None if count == 1 else begin()
            yield from group.wait()
            count = group.next_count
            if ahead is None and count == 1:
                break  # the next one may lie elsewhere
            group = ahead or begin()


def _may_come_together(task: Task) -> bool:
    return task.images[0].location.scheme in TOGETHER


class _Group:
    """Some tasks, of which files were asked for at once.

    Attributes:
        tasks: as given.
        next_count: how many should be asked for next; known after :meth:`wait`.
    """

    def __init__(self, tasks: list[Task], limits: Limits, decoders: Sequence[Decoder]) -> None:
        self.tasks = tasks
        self.next_count = 1
        in_pieces = read_in_pieces(tuple(decoders))
        self._asked = [
            source
            for task in tasks
            for source in (*task.images, task.truth.mask)
            if source is not None and source.location.scheme in TOGETHER and source.location.suffix not in in_pieces
        ]
        try:
            self._come = read_together([each.location for each in self._asked], limits.encoded_bytes)
        except (InferenceError, MemoryError):  # who fetches one by one meets it, and tells of which case
            self._come = None

    def wait(self) -> list[Task]:
        """The tasks, with the files that came."""
        if self._come is None:
            return self.tasks
        try:
            pairs = zip(self._asked, self._come(), strict=True)
        except MemoryError:
            return self.tasks
        come = {id(source): MemorySource(source.location, data) for source, data in pairs if data is not None}
        if come:
            each_files = math.ceil(len(self._asked) / len(self.tasks))
            each_bytes = math.ceil(sum(source.size() for source in come.values()) / len(self.tasks))
            self.next_count = max(1, min(GROUP // each_files, GROUP_BYTES // max(1, each_bytes)))
        return [_with(come, task) for task in self.tasks]


def _with(come: Mapping[int, Source], task: Task) -> Task:
    images = tuple([come.get(id(source), source) for source in task.images])
    truth = task.truth
    if truth.mask is not None:
        truth = Truth(come.get(id(truth.mask), truth.mask), truth.label, truth.images)
    return Task(task.position, task.case, images, truth)
