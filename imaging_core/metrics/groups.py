"""Cases by a feature of theirs: groups to be compared, and patients whose cases belong together."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imaging_core.dataset.document import Value

MOST_NUMBERS = 12
"""Of more different numbers quarters are made."""
MOST_GROUPS = 50
NOT_GIVEN = "not given"
OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Grouping:
    """The cases of a run by one feature.

    Attributes:
        feature: its name.
        names: of the groups, in the order in which they are shown.
        of_row: int64, per row the index of its group.
    """

    feature: str
    names: tuple[str, ...]
    of_row: NDArray[np.int64]


def grouping(feature: str, values: Sequence[Value]) -> Grouping:
    """Group cases by a feature's value.

    A group per value, ascending; of more than 12 different numbers the quarters of the cases that have one, cut at
    their quartiles; beyond 50 values the most frequent ones and the others. Cases without a value are a group, too.
    """
    values = [None if isinstance(value, float) and math.isnan(value) else value for value in values]
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    given = [value for value in values if value is not None]
    if len(numbers) == len(given) and len(set(numbers)) > MOST_NUMBERS:
        return _quarters(feature, values, numbers)
    found = Counter(given)
    kept = {value for value, _ in found.most_common(MOST_GROUPS)} if len(found) > MOST_GROUPS else set(found)
    ordered = sorted(kept, key=lambda value: (isinstance(value, str), value))
    names = [_text(value) for value in ordered]
    names += [OTHERS] * (len(kept) < len(found)) + [NOT_GIVEN] * (len(given) < len(values))
    place = {value: index for index, value in enumerate(ordered)}
    other, none = len(ordered), len(names) - 1
    of_row = [none if value is None else place.get(value, other) for value in values]
    return Grouping(feature, tuple(names), np.array(of_row, dtype=np.int64))


def patients(values: Sequence[Value]) -> NDArray[np.int64]:
    """The number of each case's patient; a case without one is a patient of its own."""
    number: dict[Value, int] = {}
    return np.array(
        [len(values) + row if value is None else number.setdefault(value, row) for row, value in enumerate(values)],
        dtype=np.int64,
    )


def _quarters(feature: str, values: Sequence[Value], numbers: Sequence[float]) -> Grouping:
    ordered = np.sort(np.array(numbers, dtype=np.float64))
    edges = np.unique(np.quantile(ordered, [0.25, 0.5, 0.75], method="lower"))
    edges = edges[edges < ordered[-1]]  # where many share the highest number fewer groups are left
    if not len(edges):
        edges = ordered[ordered < ordered[-1]][-1:]
    known = np.array([np.nan if value is None else float(value) for value in values])
    missing = np.isnan(known)
    of_row = np.where(missing, len(edges) + 1, np.searchsorted(edges, known, side="left"))
    groups = [known[of_row == index] for index in range(len(edges) + 1)]
    names = [f"{group.min():g} to {group.max():g}" for group in groups]
    return Grouping(feature, tuple(names + [NOT_GIVEN] * bool(missing.any())), of_row.astype(np.int64))


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
