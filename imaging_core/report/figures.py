"""Numbers as a person reads them, and the geometry of the page's figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SHORT, MOST_DECIMALS = 3, 13
"""Decimals of an interval's ends."""

LARGEST_HEAT_MAP = 30
"""Classes; of more the most frequent confusions are listed instead."""


def figure(value: float | None, decimals: int = 4) -> str:
    """So many decimals, never rounded to look perfect or like nothing; an en dash for None."""
    if value is None:
        return "\N{EN DASH}"
    half = 0.5 * 10**-decimals
    if 0 < abs(value) < 10 * half:
        return f"{value:.1e}"
    if 1 - half <= value < 1:
        return f"> {1 - 2 * half:.{decimals}f}"
    return f"{value:.{decimals}f}"


def interval(found: Mapping[str, Any] | None) -> str:
    """``0.912 to 0.957`` of an interval of ``metrics.json``; empty for None.

    As many decimals more as its ends need to differ from each other, and from 1, which they only look like.
    """
    if found is None:
        return ""
    low, high = found["low"], found["high"]
    for decimals in range(SHORT, MOST_DECIMALS):
        texts = [_short(value, decimals) for value in (low, high)]
        if texts[0] != texts[1] and not any(
            float(text) == 1 != value for text, value in zip(texts, (low, high), strict=True)
        ):
            break
    return " to ".join(texts)


def _short(value: float, decimals: int) -> str:
    return f"{value:.0e}" if 0 < abs(value) < 0.5 * 10**-decimals else f"{value:.{decimals}f}"


def difference(value: float) -> str:
    """With its sign: ``+0.0123``; ``0`` of nothing."""
    return f"{value:+.4f}" if value else "0"


def difference_interval(low: float | None, high: float | None) -> str:
    """``-0.0200 to +0.0100``; empty where it is not known."""
    return "" if low is None or high is None else f"{low:+.4f} to {high:+.4f}"


def percent(share: float) -> str:
    """One decimal, never rounded to look like none or all."""
    if 0 < share < 0.0005:
        return "< 0.1%"
    if 0.9995 <= share < 1:
        return "> 99.9%"
    return f"{share * 100:.1f}%" if share not in (0, 1) else f"{share * 100:.0f}%"


def duration(seconds: float) -> str:
    """``4.2 s``, ``3 min 05 s``, ``2 h 07 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the confusion matrix.

    Attributes:
        share: of its row's cases.
        tint: opacity of its colour, in [0, 1]; few mistakes stay visible.
        strong: so much colour that the text on it changes sides.
    """

    count: int
    share: str
    tint: float
    strong: bool
    right: bool


def heat_map(confusion: Sequence[Sequence[int]]) -> list[list[Cell]] | None:
    """The cells of a confusion matrix, row by row; None when it is too large to be read."""
    if len(confusion) > LARGEST_HEAT_MAP:
        return None
    rows = []
    for true, row in enumerate(confusion):
        total = sum(row)
        shares = [count / total if total else 0.0 for count in row]
        rows.append([_cell(row[said], shares[said], right=true == said) for said in range(len(row))])
    return rows


def _cell(count: int, share: float, *, right: bool) -> Cell:
    tint = round(0.9 * share**0.5, 3)
    return Cell(count, percent(share), tint, tint > (0.7 if right else 0.85), right)


def frequent_confusions(
    confusion: Sequence[Sequence[int]], classes: Sequence[str], shown: int = 8
) -> list[tuple[int, str, str, str]]:
    """The most frequent mistakes: count, true class, predicted class, share of the true class's cases."""
    mistakes = [
        (count, true, said)
        for true, row in enumerate(confusion)
        for said, count in enumerate(row)
        if count and true != said
    ]
    mistakes.sort(key=lambda mistake: (-mistake[0], mistake[1], mistake[2]))
    return [
        (count, classes[true], classes[said], percent(count / sum(confusion[true])))
        for count, true, said in mistakes[:shown]
    ]
