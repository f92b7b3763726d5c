"""The memory that this process may use: what goes beyond is a MemoryError, where the kernel would kill the process."""

import resource
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")

_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")
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
