"""The ledger: one JSON line per case, done, failed or skipped. Torch-free, since gather reads it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from operator import attrgetter
from types import NoneType
from typing import Literal, get_args

from pydantic_core import from_json, to_json

from imaging_core import run
from imaging_core.errors import DataError
from imaging_core.inference.dicom_results.asked import DicomResults
from imaging_core.inference.measured import Lesions, Surfaces, by_text, read_lesions

State = Literal["done", "failed", "skipped"]
STATES: tuple[State, ...] = ("done", "failed", "skipped")


@dataclass(frozen=True, slots=True)
class Counts:
    """The confusion of one case and one class, in pixels at the image's original size."""

    tp: int
    fp: int
    fn: int
    tn: int


@dataclass(slots=True)  # frozen it would take as long to make as its line to parse
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
        surface: of each class of ``counts`` how far the borders lie apart, where it was asked for.
        lesions: of each class of ``counts`` the lesions found, missed and imagined, where they were asked for.
        outputs: name ("mask", "probabilities", "dicom_seg", "dicom_sr") to key below the run.
        digests: of each output, by its name, the SHA-256 and the length in bytes; of older ledgers empty.
        dicom: which DICOM results were asked for; a case whose images allow none has no such outputs.
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
    surface: Surfaces | None = None
    lesions: Mapping[int, Lesions] | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    dicom: DicomResults | None = None
    digests: Mapping[str, tuple[str, int]] = field(default_factory=dict)

    def to_line(self) -> bytes:
        """The record as one JSON line."""
        return to_part([self])

    @classmethod
    def from_line(cls, line: bytes | str, where: str) -> "Record":
        """Read a line back; DataError names ``where`` when it is not one of ours."""
        try:
            values = from_json(line)  # a quarter of the time that json.loads takes
            for name in _LISTS.intersection(values):
                values[name] = tuple(values[name])
            if "counts" in values:
                values["counts"] = {int(index): Counts(*counts) for index, counts in values["counts"].items()}
            if "surface" in values:
                values["surface"] = Surfaces.from_json(values["surface"])
            if "lesions" in values:
                values["lesions"] = read_lesions(values["lesions"])
            if "digests" in values:
                values["digests"] = {name: (sha256, size) for name, (sha256, size) in values["digests"].items()}
            record = cls(**values)
            record._check()
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            raise DataError(f"{where}: not a ledger line ({error}); delete this part and resume the run") from error
        return record

    def _check(self) -> None:
        """ValueError or TypeError when a value is not what the attributes above promise."""
        if self.state not in STATES:
            raise ValueError(f"state {self.state!r} is not one of {', '.join(STATES)}")
        if not type(self.case) is type(self.by) is str:
            raise ValueError("case or by is not a text")
        if type(self.kind) not in _TEXT or type(self.reason) not in _TEXT:
            raise ValueError("kind or reason is not a text")
        _check_natural("size", self.size or ())
        _check_natural("label", self.label or ())
        _check_natural("deephealth", self.deephealth or ())
        for counts in (self.counts or {}).values():
            _check_natural("counts", (counts.tp, counts.fp, counts.fn, counts.tn))
        if self.deephealth is not None and not (len(self.deephealth) == 2 and self.deephealth[0] <= self.deephealth[1]):
            raise ValueError("deephealth is not an intersection and a union")
        if self.scores is not None and not (
            _NUMBERS.issuperset(map(type, self.scores)) and all(map(isfinite, self.scores))
        ):
            raise ValueError("scores are not finite numbers")
        if self.outputs != {} and not all(type(key) is str for key in self.outputs.values()):
            raise ValueError("outputs are not texts")
        if self.dicom is not None and self.dicom not in get_args(DicomResults):
            raise ValueError("dicom is no kind of DICOM results")
        for sha256, size in self.digests.values():
            if not _SHA256.fullmatch(sha256) or type(size) is not int or size < 0:
                raise ValueError("digests are not pairs of a SHA-256 and a length")
        if self.digests and self.digests.keys() != self.outputs.keys():
            raise ValueError("digests are not those of the outputs")


_NAMES = tuple(each.name for each in fields(Record))
_VALUES = attrgetter(*_NAMES)
_KEPT: tuple[object, ...] = ("", ())
"""Of what is empty only a text and a list say something: an answer without a class, say."""

_LISTS = frozenset(("size", "label", "scores", "deephealth"))
_TEXT = (str, NoneType)
_SHA256 = re.compile("[0-9a-f]{64}")
_NUMBERS = frozenset((float, int))
"""Types of scores; a bool is none, though Python counts it among the whole numbers."""


def _check_natural(name: str, values: tuple[int, ...]) -> None:
    for value in values:
        if type(value) is not int or not 0 <= value < 2**63:
            raise ValueError(f"{name} is not made of whole numbers of at least 0")


def to_part(records: Iterable[Record]) -> bytes:
    """One ledger part: of each record the line that :func:`imaging_core.run.to_json_line` writes.

    That takes as long as much of a small image's inference: of a classification the line is put together here, in a
    fifth of the time.
    """
    rows = list(records)
    lines = ["" if _has_scores_alone(record) else _line(record) for record in rows]
    scored = [number for number, line in enumerate(lines) if not line]
    for number, scores in zip(scored, _decimals([rows[number].scores or () for number in scored]), strict=True):
        record = rows[number]
        inputs = f'"inputs":{record.inputs},' if record.inputs else ""
        label = "" if record.label is None else f'"label":[{",".join(map(str, record.label))}],'
        size = "" if record.size is None else f'"size":[{",".join(map(str, record.size))}],'
        lines[number] = (
            f'{{"by":"{record.by}","case":"{record.case}",{inputs}{label}"scores":[{scores}],{size}"state":"done"}}\n'
        )
    return "".join(lines).encode()


_BESIDE_SCORES = attrgetter(
    *("state", "kind", "reason", "temporary", "counts", "deephealth", "surface", "lesions", "outputs", "digests"),
    "dicom",
)
_NOTHING: tuple[object, ...] = ("done", None, None, False, None, None, None, None, {}, {}, None)


def _has_scores_alone(record: Record) -> bool:
    """Whether a record of a done case has scores and no result beside, nor a text with signs to be escaped."""
    texts = record.by + record.case
    return bool(record.scores) and _BESIDE_SCORES(record) == _NOTHING and texts.isascii() and texts.isalnum()


def _line(record: Record) -> str:
    values = {name: value for name, value in zip(_NAMES, _VALUES(record), strict=True) if value or value in _KEPT}
    if record.counts is not None:
        values["counts"] = {str(index): [c.tp, c.fp, c.fn, c.tn] for index, c in record.counts.items()}
    if record.surface is not None:
        values["surface"] = record.surface.to_json()
    if record.lesions is not None:
        values["lesions"] = by_text(record.lesions)
    return run.to_json_line(values).decode()


def _decimals(rows: list[tuple[float, ...]]) -> list[str]:
    """Each row's values as Python writes them, and commas.

    pydantic's writer is ten times as fast as Python's, and knows other limits for exponents.
    """
    texts = to_json(rows)[2:-2].decode().split("],[")
    for number, row in enumerate(rows):
        if not 1e-4 <= min(row) <= max(row) < 1e16 or not isfinite(sum(row)):
            texts[number] = ",".join(map(_decimal, row, texts[number].split(",")))
    return texts if rows else []


def _decimal(value: float, text: str) -> str:
    if not isfinite(value):
        raise ValueError("scores that are no finite numbers are not JSON compliant")
    return text if 1e-4 <= value < 1e16 else repr(value)


def read_part(data: bytes, where: str) -> Iterator[Record]:
    """The records of one ledger part; ``where`` names it in errors."""
    for number, line in enumerate(data.splitlines(), start=1):
        yield Record.from_line(line, f"{where}, line {number}")
