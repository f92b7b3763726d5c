"""A task's ``depends``: which results of which tasks let it start."""

import re
from collections.abc import Mapping
from typing import Literal

from workflows.local.fields import UnsupportedError

Status = Literal["Succeeded", "Failed", "Error", "Omitted"]

_TERM = re.compile(r"([\w-]+?)(?:\.(\w+))?")
_MEANS: Mapping[str, tuple[Status, ...]] = {
    "Succeeded": ("Succeeded",),
    "Failed": ("Failed",),
    "Errored": ("Error",),
}


def read_depends(text: str, where: str) -> dict[str, set[Status]]:
    """Task to the states of which one is enough, for ``a.Succeeded || b.Failed``; a bare name means Succeeded.

    Raises:
        UnsupportedError: the text holds another operator or result.
    """
    accepted: dict[str, set[Status]] = {}
    for term in text.split("||"):
        match = _TERM.fullmatch(term.strip())
        if match is None or (match[2] or "Succeeded") not in _MEANS:
            raise UnsupportedError(
                f"{where}: the local engine does not know depends {text!r}; "
                f"it knows TASK and TASK.{{{','.join(_MEANS)}}}, joined by ||"
            )
        accepted.setdefault(match[1], set()).update(_MEANS[match[2] or "Succeeded"])
    return accepted
