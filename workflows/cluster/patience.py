"""How long a cluster that does not answer is asked again."""

from collections.abc import Callable
from typing import TypeVar

import tenacity

from imaging_core.errors import TemporaryError

GIVE_UP_SECONDS = 90
"""Longer than an API server's restart."""
LONGEST_PAUSE_SECONDS = 8

Result = TypeVar("Result")


def patiently(attempt: Callable[[], Result]) -> Result:
    """Call ``attempt`` until it succeeds, with growing, jittered pauses while it raises TemporaryError."""
    retries = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(TemporaryError),
        wait=tenacity.wait_random_exponential(multiplier=0.3, max=LONGEST_PAUSE_SECONDS),
        stop=tenacity.stop_after_delay(GIVE_UP_SECONDS),
        reraise=True,
    )
    return retries(attempt)
