"""Merge the ledgers of all shards into one account of every case, and its metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imaging_core.errors import DataError
from imaging_core.inference.dicom_results.asked import OUTPUTS
from imaging_core.inference.ledger import Record, State
from imaging_core.metrics.classification import ClassificationCases
from imaging_core.metrics.columns import ClassificationColumns, SegmentationColumns, columns_for
from imaging_core.metrics.expected import Expected, read_expected
from imaging_core.metrics.ledgers import list_results, read_ledger
from imaging_core.metrics.provenance import Provenance, Provenances
from imaging_core.metrics.segmentation import SegmentationCases
from imaging_core.store import Ahead, Store

MISSING, DONE = 0, 1
CODES: dict[State, int] = {"done": DONE, "failed": 2, "skipped": 3}
STATE_NAMES = ("missing", *CODES)


class Reason(NamedTuple):
    """Why a case failed (kind of failure) or was skipped (name of the rule), and in one sentence."""

    kind: str
    sentence: str
    temporary: bool


@dataclass(frozen=True)
class Merged:
    """All that gather knows. Rows are the expected cases, ascending by id.

    Attributes:
        expected: the cases to account for.
        state: uint8 per row, an index into STATE_NAMES.
        reasons: of the rows that failed or were skipped.
        model: the model, its code and compute class of any record; None when nothing was inferred.
        compute_classes: the distinct ones, sorted.
        codes: the distinct versions of the code, sorted.
        columns: what the model said; None without a model.
        incomplete: ids of the shards that have no summary.
        dicom: of the rows that have DICOM results, name of the output to its key below the run.
    """

    expected: Expected
    state: NDArray[np.uint8]
    reasons: Mapping[int, Reason]
    model: Provenance | None
    compute_classes: tuple[Mapping[str, Any], ...]
    codes: tuple[str, ...]
    columns: ClassificationColumns | SegmentationColumns | None
    incomplete: tuple[str, ...]
    dicom: Mapping[int, Mapping[str, str]]

    @cached_property
    def cases(self) -> ClassificationCases | SegmentationCases | None:
        """The scored cases; None without a model."""
        return self.columns.cases() if self.columns else None

    def count(self, state: str) -> int:
        """How many cases are in a state: missing, done, failed or skipped."""
        return int(np.count_nonzero(self.state == STATE_NAMES.index(state)))

    def state_of(self, row: int) -> str:
        """The state of a row's case."""
        return STATE_NAMES[int(self.state[row])]

    def rows(self, state: str) -> NDArray[np.int64]:
        """The rows in a state, ascending."""
        return np.flatnonzero(self.state == STATE_NAMES.index(state))


def merge(store: Store, *, names: bool = True, patient: str | None = None, group_by: Sequence[str] = ()) -> Merged:
    """Read every shard's ledger and account for every case once.

    Expected = done + failed + skipped + missing holds by construction: each expected case has exactly one state.

    Args:
        store: the run.
        names: whether to keep how the dataset calls each image.
        patient: the feature that names the patient of a case.
        group_by: features by which metrics are wanted.

    Raises:
        MissingError: the run has no shard index, or lacks a shard.
        UsageError: the dataset has no such feature.
        DataError: a case twice, unknown or in the wrong shard; a damaged part; two models.
    """
    expected = read_expected(store, names=names, patient=patient, group_by=group_by)
    entries = expected.index.shards
    found = list_results(store, [entry.id for entry in entries])
    provenances = Provenances(store)
    state = np.full(len(expected.cases), MISSING, dtype=np.uint8)
    reasons: dict[int, Reason] = {}
    dicom: dict[int, Mapping[str, str]] = {}
    columns: ClassificationColumns | SegmentationColumns | None = None
    with Ahead(store, chain.from_iterable(found[entry.id].keys for entry in entries)) as ahead:
        for entry, rows in zip(entries, expected.shard_rows, strict=True):
            results = found[entry.id]
            parts = expected.index.parts(len(rows))
            for place, records, key in read_ledger(ahead, results, expected.ids(rows), entry.sha256, parts):
                for digest in dict.fromkeys(record.by for record in records):
                    source = provenances.note(entry.id, digest, listed=digest in results.provenance)
                    columns = columns or columns_for(source.card, len(state))
                state[rows[place]] = [CODES[record.state] for record in records]
                for row, record in zip(rows[place].tolist(), records, strict=True):
                    if columns and record.state == "done":
                        _put(columns, row, record, key)
                        if record.dicom is not None:
                            dicom[row] = {name: record.outputs[name] for name in OUTPUTS if name in record.outputs}
                    else:
                        reasons[row] = Reason(record.kind or "unknown", record.reason or "", record.temporary)
    return Merged(
        expected=expected,
        state=state,
        reasons=dict(sorted(reasons.items())),
        model=provenances.model,
        compute_classes=provenances.compute_classes(),
        codes=provenances.codes(),
        columns=columns,
        incomplete=tuple(entry.id for entry in entries if found[entry.id].summary is None),
        dicom=dicom,
    )


def _put(columns: ClassificationColumns | SegmentationColumns, row: int, record: Record, where: str) -> None:
    try:
        columns.put(row, record)
    except ValueError as error:
        raise DataError(
            f"{where}: case {record.case}: {error}; was it inferred with another model? "
            "Delete this shard's results and resume the run"
        ) from error
