"""Workflows that an uninstallation would leave without their service account."""

import time

from imaging_core.errors import TemporaryError
from workflows.cluster.api import WorkflowApi
from workflows.cluster.names import OURS
from workflows.cluster.nodes import ENDED

STOP_SECONDS = 120
POLL_SECONDS = 2.0


def running(api: WorkflowApi) -> list[str]:
    """The names of those of ours that have not ended."""
    return [
        str(each["metadata"]["name"]) for each in api.list(OURS) if (each.get("status") or {}).get("phase") not in ENDED
    ]


def stop_all(api: WorkflowApi, names: list[str]) -> None:
    """Stop them, and wait until they have ended: what is done is kept.

    Raises:
        TemporaryError: some have not ended after STOP_SECONDS.
    """
    for name in names:
        api.stop(name)
    deadline = time.monotonic() + STOP_SECONDS
    while left := running(api):
        if time.monotonic() > deadline:
            raise TemporaryError(f"still not ended after {STOP_SECONDS} s: {', '.join(left)}; nothing was removed")
        time.sleep(POLL_SECONDS)
