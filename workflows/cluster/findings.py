"""What a check found, and how it is said."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from imaging_core.errors import EXIT_CONFIGURATION, EXIT_DONE


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


def tell(findings: Iterable[Finding], *, as_json: bool, before: str) -> int:
    """Print what is found, as it is found, and whether to mend it ``before`` something; the exit code."""
    found = []
    for finding in findings:
        found.append(finding)
        if not as_json:
            print(finding, flush=True)
    bad = wrong(found)
    if as_json:
        said = [{"what": each.what, "state": each.state, "words": each.words} for each in found]
        print(json.dumps({"ok": not bad, "findings": said}, ensure_ascii=False))
    else:
        print("Nothing is wrong." if not bad else f"{len(bad)} to mend before {before}.")
    return EXIT_CONFIGURATION if bad else EXIT_DONE


def wrong(findings: Iterable[Finding]) -> list[Finding]:
    """Those that have to be mended."""
    return [each for each in findings if each.state == "wrong"]
