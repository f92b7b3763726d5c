"""What the ledger says of masks beside counts of pixels, where it was asked for.

Counts of pixels come of every case. These cost more and need the masks themselves, so infer takes them, by option, and
gather only adds up: nothing here imports torch or scipy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, NamedTuple, get_args

Unit = Literal["pixels", "mm"]
UNITS: frozenset[str] = frozenset(get_args(Unit))


@dataclass(frozen=True, slots=True)
class Measures:
    """What is asked for; false when nothing is.

    Attributes:
        surface_tolerance: for surface distances, how far apart counts as the same place, in mm where a case's spacing
            is known, else in pixels; None for no surface distances.
        lesions: whether lesions are counted.
    """

    surface_tolerance: float | None = None
    lesions: bool = False

    def __bool__(self) -> bool:
        return self.surface_tolerance is not None or self.lesions


class Surface(NamedTuple):
    """How far the borders of one class lie apart in one case, prediction against truth.

    Attributes:
        hd95: 95 % Hausdorff distance, at least 0; None where a side is empty.
        assd: average symmetric surface distance, at least 0; None where a side is empty.
        within: border pixels of both sides that lie within the tolerance of the other side's border.
        of: border pixels of both sides; 0 where both are empty.
    """

    hd95: float | None
    assd: float | None
    within: int
    of: int


class Lesions(NamedTuple):
    """How the connected components of one class agree in one case.

    Attributes:
        tp: true lesions that were found.
        fp: predicted lesions where there is none.
        fn: true lesions that were missed.
    """

    tp: int
    fp: int
    fn: int


@dataclass(frozen=True, slots=True)
class Surfaces:
    """The surfaces of one case.

    Attributes:
        tolerance: how far apart counts as the same place, at least 0.
        unit: of the tolerance and of all distances.
        classes: by class index, those of the case's counts.
    """

    tolerance: float
    unit: Unit
    classes: Mapping[int, Surface]

    def to_json(self) -> dict[str, Any]:
        """The values as a ledger line holds them."""
        return {"tolerance": self.tolerance, "unit": self.unit, "classes": by_text(self.classes)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Surfaces":
        """Read what :meth:`to_json` gave; ValueError, TypeError or AttributeError when it is something else."""
        surfaces = cls(**{**values, "classes": {int(k): Surface(*each) for k, each in values["classes"].items()}})
        if surfaces.unit not in UNITS or not _is_distance(surfaces.tolerance):
            raise ValueError("a surface's tolerance or unit is none")
        for each in surfaces.classes.values():
            distances = [value for value in (each.hd95, each.assd) if value is not None]
            if len(distances) == 1 or not all(map(_is_distance, distances)):
                raise ValueError("surface distances are not two numbers of at least 0")
            if not (_is_count(each.within) and _is_count(each.of) and each.within <= each.of):
                raise ValueError("border pixels are not some of so many")
        return surfaces


def read_lesions(values: Mapping[str, Any]) -> dict[int, Lesions]:
    """Lesions by class index, of a ledger line; ValueError, TypeError or AttributeError when they are none."""
    lesions = {int(index): Lesions(*counts) for index, counts in values.items()}
    if not all(_is_count(count) for each in lesions.values() for count in each):
        raise ValueError("lesions are not made of whole numbers of at least 0")
    return lesions


def by_text(classes: Mapping[int, Any]) -> dict[str, Any]:
    """With class indices as JSON has them."""
    return {str(index): value for index, value in classes.items()}


def _is_distance(value: Any) -> bool:
    return type(value) in (float, int) and isfinite(value) and value >= 0


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63
