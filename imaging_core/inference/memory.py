"""The memory that this process may use, where what goes beyond is a MemoryError, and how often it is tidied up."""

import gc
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")

_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")
_NEW_OBJECTS = 10_000
"""So many more than were freed make a collection worth its time; Python's own figure is 700."""

_NO_LIMIT = 2**60
"""Version 1 of cgroups says a number just below 2**63 where there is none."""


def container_limit(cgroups: Path = CGROUPS) -> int | None:
    """The bytes that the container may use (cgroup v2 or v1); None where there is no limit."""
    found = []
    for name in _LIMITS:
        try:
            text = (cgroups / name).read_text().strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < _NO_LIMIT:
            found.append(int(text))
    return min(found, default=None)


def stay_within(limit: int | None) -> None:
    """Refuse this process data beyond so many bytes: an image that is too large for the container then fails alone."""
    if limit is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    lowest = min(each for each in (limit, soft, hard) if each != resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_DATA, (lowest, hard))


@contextmanager
def rare_collections() -> Iterator[None]:
    """Inside, Python looks for garbage in cycles less often, and never among what there was before.

    That is torch and all else that was imported, three hundred thousand objects, and every case makes a dozen new ones.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
