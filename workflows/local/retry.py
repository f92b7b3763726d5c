"""A template's ``retryStrategy``, counted as Argo's controller counts it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workflows.local.depends import Status
from workflows.local.fields import UnsupportedError, check_fields
from workflows.retry import RETRY_EXPRESSION, worth_retry

_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|)")


@dataclass(frozen=True, slots=True)
class Retry:
    """When and how often an attempt is followed by another.

    Attributes:
        limit: how many further attempts at most.
        wait: seconds before the first of them.
        factor: how much longer each wait is than the one before.
        longest: seconds from the first attempt's start, after which none is begun; None for no such limit.
    """

    limit: int
    wait: float
    factor: float
    longest: float | None

    def wait_after(self, attempts: int, status: Status, exit_code: int, since_first: float) -> float | None:
        """Seconds to wait before trying again, or None when this was the last attempt.

        Args:
            attempts: how many have been made, at least 1.
            status: how the last one ended.
            exit_code: its exit code, 128 + n after signal n.
            since_first: seconds from the start of the first one until now.
        """
        wait = self.wait * self.factor ** (attempts - 1)
        if attempts > self.limit or not worth_retry(status, exit_code):
            return None
        if self.longest is not None and since_first + wait > self.longest:
            return None
        return wait


def read_retry(where: str, strategy: Mapping[str, Any]) -> Retry:
    """Read a ``retryStrategy``.

    Raises:
        UnsupportedError: it has another policy or expression than the project's one rule, or an unreadable duration.
    """
    check_fields(where, strategy, {"limit", "retryPolicy", "expression", "backoff"}, ("limit", "expression"))
    if strategy.get("retryPolicy", "Always") != "Always":
        raise UnsupportedError(f"{where}: the local engine does not know retryPolicy {strategy['retryPolicy']}")
    if strategy["expression"] != RETRY_EXPRESSION:
        raise UnsupportedError(f"{where}: the local engine does not know the expression {strategy['expression']!r}")
    backoff = check_fields(f"{where}: backoff", strategy.get("backoff", {}), {"duration", "factor", "maxDuration"})
    longest = backoff.get("maxDuration")
    return Retry(
        limit=int(strategy["limit"]),
        wait=_seconds(where, backoff.get("duration", "0")),
        factor=float(backoff.get("factor", 1)),
        longest=None if longest is None else _seconds(where, longest),
    )


def _seconds(where: str, text: str) -> float:
    """``10`` and ``10s`` are seconds, ``1h30m`` is the sum of its parts, as Go writes durations."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise UnsupportedError(f"{where}: {text!r} is not a duration such as 10s or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
