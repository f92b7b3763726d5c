"""What infer measured of masks beside counts of pixels, as compact columns: only for runs that asked for it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imaging_core.inference.ledger import Record
from imaging_core.inference.measured import Surface, Unit


@dataclass(frozen=True, slots=True)
class Measured:
    """Of scored cases, in their order; None where it was not measured of all scored cases of the run.

    Attributes:
        distances: float64, cases x classes x 2 (HD95, ASSD) in one unit, NaN where undefined.
        borders: int64, cases x classes x 4: border pixels of both sides, as true positives those within the tolerance
            of the other side, as false negatives the others.
        lesions: int64, cases x classes x 4: true lesions found, predicted ones that are none, true ones missed, 0.
    """

    distances: NDArray[np.float64] | None = None
    borders: NDArray[np.int64] | None = None
    lesions: NDArray[np.int64] | None = None


class MeasuredColumns:
    """What the ledgers say of every row; without memory until the first record that has something.

    Attributes:
        tolerance: of the surface distances, in the unit of each; None while no record has any.
        in_mm: of which rows distances are in mm; of the others that have some, in pixels.
        surfaces: which rows have surface distances.
        counted: of which rows lesions were counted.
        distances: float64, rows x classes x 2 (HD95, ASSD), NaN where undefined or unknown.
        borders: int64, rows x classes x 4, as in :class:`Measured`.
        lesions: int64, rows x classes x 4, as in :class:`Measured`.
    """

    def __init__(self, rows: int, indices: tuple[int, ...]) -> None:
        self._indices = indices
        self.tolerance: float | None = None
        self.in_mm = np.zeros(rows, dtype=np.bool_)
        self.surfaces = np.zeros(rows, dtype=np.bool_)
        self.counted = np.zeros(rows, dtype=np.bool_)
        self.distances = np.zeros((0, len(indices), 2))
        self.borders = np.zeros((0, len(indices), 4), dtype=np.int64)
        self.lesions = np.zeros((0, len(indices), 4), dtype=np.int64)

    def put(self, row: int, record: Record) -> None:
        """Take over a scored record; ValueError when it does not fit the model, or the records before."""
        shape = (len(self.counted), len(self._indices))
        if record.surface is not None:
            tolerance = record.surface.tolerance
            if self.tolerance is None:
                self.tolerance = tolerance
                self.distances = np.full((*shape, 2), np.nan)
                self.borders = np.zeros((*shape, 4), dtype=np.int64)
            if tolerance != self.tolerance:
                raise ValueError(f"surfaces at a tolerance of {tolerance:g} where others have {self.tolerance:g}")
            self._check("surfaces", record.surface.classes)
            of = [record.surface.classes[k] for k in self._indices]
            self.distances[row] = [_distances(each) for each in of]
            self.borders[row] = [(each.within, 0, each.of - each.within, 0) for each in of]
            self.surfaces[row] = True
            self.in_mm[row] = record.surface.unit == "mm"
        if record.lesions is not None:
            if not len(self.lesions):
                self.lesions = np.zeros((*shape, 4), dtype=np.int64)
            self._check("lesions", record.lesions)
            self.lesions[row] = [(*record.lesions[k], 0) for k in self._indices]
            self.counted[row] = True

    @property
    def units(self) -> dict[Unit, int]:
        """How many rows have distances in each unit; none that no row has."""
        in_mm = int(self.in_mm.sum())
        counts: dict[Unit, int] = {"mm": in_mm, "pixels": int(self.surfaces.sum()) - in_mm}
        return {unit: count for unit, count in counts.items() if count}

    def of(self, keep: NDArray[np.bool_], scored: NDArray[np.bool_]) -> Measured:
        """What is known of the rows marked by ``keep``, as far as it is known of all scored ones, in one unit."""
        surfaces = scored.any() and bool(self.surfaces[scored].all()) and len(self.units) == 1
        counted = scored.any() and bool(self.counted[scored].all())
        return Measured(
            self.distances[keep] if surfaces else None,
            self.borders[keep] if surfaces else None,
            self.lesions[keep] if counted else None,
        )

    def _check(self, what: str, classes: Iterable[int]) -> None:
        if tuple(sorted(classes)) != self._indices:
            raise ValueError(f"{what} of classes {sorted(classes)} where the model has {list(self._indices)}")


def _distances(surface: Surface) -> tuple[float, float]:
    if surface.hd95 is None or surface.assd is None:
        return np.nan, np.nan
    return surface.hd95, surface.assd
