"""What a check found, and how it is said."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: it was: ``secret bucket-credentials``.
        state: ``wrong`` ends a submission; ``not checked`` says why not.
        words: what is the matter, and the fix; may be empty when all is well.
    """

    what: str
    state: Literal["ok", "wrong", "not checked"]
    words: str = ""

    def __str__(self) -> str:
        mark = {"ok": "ok", "wrong": "WRONG", "not checked": "?"}[self.state]
        return f"  {mark:<6} {self.what}{f': {self.words}' if self.words else ''}"


def wrong(findings: Iterable[Finding]) -> list[Finding]:
    """Those that have to be mended."""
    return [each for each in findings if each.state == "wrong"]
