"""The ledger: one JSON line per case, done, failed or skipped. Torch-free, since gather reads it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from types import NoneType
from typing import Any, Literal

from imaging_core import run
from imaging_core.errors import DataError

State = Literal["done", "failed", "skipped"]
STATES: tuple[State, ...] = ("done", "failed", "skipped")


@dataclass(frozen=True, slots=True)
class Counts:
    """The confusion of one case and one class, in pixels at the image's original size."""

    tp: int
    fp: int
    fn: int
    tn: int


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one case. Fields that do not apply are left out of its line.

    Attributes:
        case: its id.
        state: done, failed (cannot be inferred or scored) or skipped (excluded by a named rule).
        by: digest of the provenance (model, code, compute class) that inferred it.
        kind: of a failure; see :data:`imaging_core.decode.case.FailureKind`. Of a skipped case, the rule's name.
        reason: one sentence, without file names.
        temporary: a failure that resuming tries again.
        size: spatial size of the case in pixels.
        inputs: how many model inputs it had.
        label: ground truth class indices, ascending; None without ground truth.
        scores: the model's activated output per class, float32 values in their shortest decimal form.
        counts: class index to confusion counts, segmentation with ground truth. A binary model has class 1 only.
        deephealth: intersection and union in pixels at the model's input size, both sides thresholded at >= 0.5.
        outputs: name ("mask", "probabilities") to key below the run.
    """

    case: str
    state: State
    by: str
    kind: str | None = None
    reason: str | None = None
    temporary: bool = False
    size: tuple[int, ...] | None = None
    inputs: int = 0
    label: tuple[int, ...] | None = None
    scores: tuple[float, ...] | None = None
    counts: Mapping[int, Counts] | None = None
    deephealth: tuple[int, int] | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)

    def to_line(self) -> bytes:
        """The record as one JSON line."""
        values: dict[str, Any] = {}
        for name in _NAMES:
            value = getattr(self, name)
            if value is None or value is False or value == {} or value == 0:
                continue
            values[name] = value
        if self.counts is not None:
            values["counts"] = {str(index): [c.tp, c.fp, c.fn, c.tn] for index, c in self.counts.items()}
        return run.to_json_line(values)

    @classmethod
    def from_line(cls, line: bytes | str, where: str) -> "Record":
        """Read a line back; DataError names ``where`` when it is not one of ours."""
        try:
            values = json.loads(line)
            for name in ("size", "label", "scores", "deephealth"):
                if name in values:
                    values[name] = tuple(values[name])
            if "counts" in values:
                values["counts"] = {int(index): Counts(*counts) for index, counts in values["counts"].items()}
            record = cls(**values)
            record._check()
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise DataError(f"{where}: not a ledger line ({error}); delete this part and resume the run") from error
        return record

    def _check(self) -> None:
        """ValueError or TypeError when a value is not what the attributes above promise."""
        if self.state not in STATES:
            raise ValueError(f"state {self.state!r} is not one of {', '.join(STATES)}")
        for name in ("case", "by"):
            if type(getattr(self, name)) is not str:
                raise ValueError(f"{name} is not a text")
        for name in ("kind", "reason"):
            if type(getattr(self, name)) not in (str, NoneType):
                raise ValueError(f"{name} is not a text")
        for name in ("size", "label", "deephealth"):
            _check_natural(name, getattr(self, name) or ())
        for counts in (self.counts or {}).values():
            _check_natural("counts", (counts.tp, counts.fp, counts.fn, counts.tn))
        if self.deephealth is not None and not (len(self.deephealth) == 2 and self.deephealth[0] <= self.deephealth[1]):
            raise ValueError("deephealth is not an intersection and a union")
        if self.scores is not None and not all(type(s) in (float, int) and isfinite(s) for s in self.scores):
            raise ValueError("scores are not finite numbers")
        if not all(type(key) is str for key in self.outputs.values()):
            raise ValueError("outputs are not texts")


_NAMES = tuple(each.name for each in fields(Record))


def _check_natural(name: str, values: tuple[int, ...]) -> None:
    if not all(type(value) is int and 0 <= value < 2**63 for value in values):
        raise ValueError(f"{name} is not made of whole numbers of at least 0")


def to_part(records: Iterable[Record]) -> bytes:
    """One ledger part."""
    return b"".join(record.to_line() for record in records)


def read_part(data: bytes, where: str) -> Iterator[Record]:
    """The records of one ledger part; ``where`` names it in errors."""
    for number, line in enumerate(data.splitlines(), start=1):
        yield Record.from_line(line, f"{where}, line {number}")
