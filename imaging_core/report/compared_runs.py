"""From the locations of runs to what differs between them."""

from collections.abc import Sequence

from imaging_core import run as layout
from imaging_core.errors import DataError, MissingError, UsageError
from imaging_core.metrics.comparison import Comparison, compare
from imaging_core.metrics.merge import Merged, merge
from imaging_core.report.comparison import Compared
from imaging_core.store import Location, open_store


def compare_runs(
    first: Location, others: Sequence[Location], patient: str | None
) -> tuple[Compared, list[tuple[Compared, Comparison]]]:
    """Compare each of the other runs with the first one.

    Args:
        first: what the others are compared with.
        others: one or more.
        patient: the feature that names a case's patient, to draw whole patients; None draws cases.

    Raises:
        UsageError: a run is compared with itself, or the dataset has no such feature.
        MissingError: there is no run.
        DataError: two runs have nothing in common, or a run's results cannot be trusted.
    """
    if first in others:
        raise UsageError(f"{first.for_person()}: is compared with itself; give another run")
    run, merged = _read(first, patient)
    found = []
    for location in others:
        other, other_merged = _read(location, patient)
        try:
            found.append((other, compare(merged, other_merged)))
        except DataError as error:
            raise DataError(f"{run.location} and {other.location}: {error}") from error
    return run, found


def _read(root: Location, patient: str | None) -> tuple[Compared, Merged]:
    store = open_store(root)
    if not store.exists(layout.SHARD_INDEX):
        raise MissingError(f"{root.for_person()}: holds no run; see what lies there, and give a run's prefix")
    merged = merge(store, names=False, patient=patient)
    return Compared(root.for_person(), merged.model.card.name if merged.model else "no model"), merged
