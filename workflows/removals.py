"""What was removed of a run on purpose, in words."""

from collections.abc import Sequence

from imaging_core.archive.removed import WHOLE, Removal


def removals_in_words(removals: Sequence[Removal]) -> list[str]:
    """One line for each clean-up."""
    return [_line(each) for each in removals]


def _line(removal: Removal) -> str:
    what = "all of it" if removal.kind == WHOLE else removal.kind
    size = f"{removal.files:,} files, {removal.bytes / 1e6:,.1f} MB"
    end = "" if removal.finished else "; it did not come to its end: the same clean-up goes on with it"
    return f"cleaned  {what} ({size}) removed on {removal.at[:16].replace('T', ' ')} UTC{end}"
