"""What the shards' time adds up to: processor or GPU time, and its price."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from imaging_core.report.figures import duration
from imaging_core.report.timings import ShardTime

PRICE = re.compile(r"(\d+(?:\.\d+)?)(?: ?([^\W\d_]{1,3}|[$\u20ac\u00a3\u00a5]))?")


@dataclass(frozen=True, slots=True)
class Price:
    """Of one step's machine, by the hour.

    Attributes:
        amount: per hour, at least 0.
        currency: as it was written; may be empty.
    """

    amount: float
    currency: str

    @classmethod
    def parse(cls, text: str) -> "Price":
        """``2.50`` or ``2.50 EUR``; ValueError for anything else."""
        found = PRICE.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"{text!r} is not a price such as 2.50 or '2.50 EUR'")
        return cls(float(found[1]), found[2] or "")

    def of(self, seconds: float) -> str:
        """What so many seconds cost, with at least two decimals and at least two digits that are not 0."""
        return self._text(self.amount * seconds / 3600)

    def _text(self, amount: float) -> str:
        decimals = 2
        while 0 < amount * 10**decimals < 10 and decimals < 9:
            decimals += 1
        return f"{amount:,.{decimals}f} {self.currency}".rstrip()

    def __str__(self) -> str:
        return f"{self._text(self.amount)} an hour"


def spent(times: Iterable[ShardTime], price: Price | None) -> list[str]:
    """Sentences of what the shards' last attempts held: GPUs, and their cost; none of nothing."""
    known = list(times)
    held = sum(time.seconds for time in known if time.device != "cpu")
    sentences = [f"GPUs were held for {held:,.0f} GPU-seconds ({duration(held)})."] if held else []
    cases = sum(time.cases for time in known)
    if price is None or not cases:
        return sentences
    seconds = sum(time.seconds for time in known)
    return [
        *sentences,
        f"At {price} for each shard's machine: {price.of(seconds)}, {price.of(seconds / cases)} per case.",
    ]
