"""The same done to several items by a few threads at once, with the order and the errors of doing it one by one."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from imaging_core.inference.threads import small_stacks

AT_ONCE = 8
"""Files of one case that are fetched at once: the slices of a series are hundreds, and each costs a round trip."""

Item = TypeVar("Item")
Made = TypeVar("Made")


def side_by_side(items: Sequence[Item], work: Callable[[Item], Made], threads: int = AT_ONCE) -> list[Made]:
    """What ``work`` makes of each item, in their order, at most so many at once.

    Nothing is begun after one has failed. The threads are daemons: a store that does not answer never keeps a process
    that ends.

    Raises:
        Exception: what ``work`` raised of the first item, in their order, of which it raised.
    """
    if len(items) < 2:
        return [work(item) for item in items]
    left = iter(range(len(items)))
    made: dict[int, Made] = {}
    failed: dict[int, BaseException] = {}
    lock = threading.Lock()

    def take() -> int | None:
        with lock:
            return None if failed else next(left, None)

    def run() -> None:
        while (number := take()) is not None:
            try:
                made[number] = work(items[number])
            except BaseException as error:
                failed[number] = error

    workers = [threading.Thread(target=run, daemon=True) for _ in range(min(threads, len(items)) - 1)]
    started = []
    with suppress(RuntimeError, MemoryError), small_stacks():  # no room for more: those that are there do it
        for worker in workers:
            worker.start()
            started.append(worker)
    run()
    for worker in started:
        worker.join()
    if failed:
        raise failed[min(failed)]
    return [made[number] for number in range(len(items))]
