"""When a step that failed is tried again: one rule, which Argo evaluates and the local engine obeys."""

from imaging_core.errors import EXIT_TEMPORARY, EXIT_TERMINATED

EXIT_KILLED = 137
"""128 + SIGKILL: out of memory, or a node that went away."""

RETRIED_EXIT_CODES = (EXIT_TEMPORARY, EXIT_KILLED, EXIT_TERMINATED)

RETRY_EXPRESSION = "lastRetry.status == 'Error' || lastRetry.exitCode in [{}]".format(
    ", ".join(f"'{code}'" for code in RETRIED_EXIT_CODES)
)
"""Argo gives the exit code as a string. The status is Error when a pod was deleted, evicted, or its node was lost."""

LIMIT = 5
BACKOFF_SECONDS = 5
BACKOFF_FACTOR = 2
"""Waits of 5, 10, 20, 40 and 80 seconds. There is no maxDuration: Argo counts it from the first attempt's start, so
that a shard of hours would never be retried, and ends a running retry when it is over."""


def worth_retry(status: str, exit_code: int) -> bool:
    """What :data:`RETRY_EXPRESSION` says of an attempt that ended with this node status and exit code."""
    return status == "Error" or exit_code in RETRIED_EXIT_CODES
