"""The layout of one run below its prefix ``<runs>/<run id>/``, the same on a disk and in a bucket."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

RUN = "run.json"
SHARDS = "shards/"
SHARD_INDEX = f"{SHARDS}index.json"
REPORT_PAGE = "report/report.html"
REPORT_UI = "report/ui/"
REPORT_UI_PAGE = f"{REPORT_UI}index.html"
REPORT_UI_PICTURES = f"{REPORT_UI}pictures"
LOGS = "logs/"
INPUTS = "inputs/"
CHECKS = "checks/"
METRICS = "report/metrics.json"
PREDICTIONS = "report/predictions.csv"
PREDICTIONS_PARQUET = "report/predictions.parquet"
CRATE = "ro-crate-metadata.json"
REMOVED = "removed.json"

HEAT = "heat.tif"
"""Extension of a slide's heat map, see :func:`output`."""

FEWEST_CASES_PER_PART = 128
MOST_CASES_PER_PART = 1024
FORMER_CASES_PER_PART = 64
"""Of runs whose index does not say how many."""

_PARTS = 64


def cases_per_part(largest: int) -> int:
    """How many cases a ledger part of a run holds whose largest shard has so many.

    Writing a part takes as long as some small images. A shard has up to 64, and more only where they would hold over
    1024 cases: so many lines are written again with each checkpoint.
    """
    wanted = -(-largest // (_PARTS * FEWEST_CASES_PER_PART)) * FEWEST_CASES_PER_PART
    return min(MOST_CASES_PER_PART, max(FEWEST_CASES_PER_PART, wanted))


@dataclass(frozen=True, slots=True)
class Parts:
    """Where a shard's ledger is cut: every so many cases of its order, so that an interrupted run cuts it the same way.

    Attributes:
        cases: how many the shard has.
        each: how many a part holds; the last one holds the rest.
    """

    cases: int
    each: int

    @property
    def numbers(self) -> range:
        """The numbers of all parts."""
        return range(-(-self.cases // self.each))

    def of(self, position: int) -> int:
        """The number of the part that holds the case at a position of the shard."""
        return position // self.each

    def positions(self, part: int) -> range:
        """The positions that a part holds."""
        return range(part * self.each, min((part + 1) * self.each, self.cases))


def shard_file(shard: str) -> str:
    """The shard's dataset file (DTD)."""
    return f"shards/{shard}.yml"


def results(shard: str) -> str:
    """The folder of one shard's results, with its closing slash."""
    return f"results/{shard}/"


def ledger(shard: str) -> str:
    """The folder of :func:`ledger_part`, with its closing slash."""
    return f"results/{shard}/cases/"


def ledger_part(shard: str, part: int) -> str:
    """One part of the shard's ledger, JSON lines."""
    return f"{ledger(shard)}{part:05d}.jsonl"


def checkpoints(shard: str) -> str:
    """The folder of :func:`checkpoint`, with its closing slash."""
    return f"results/{shard}/checkpoints/"


def checkpoint(shard: str, part: int, instead_of: str | None = None) -> str:
    """What is told of a ledger part before its last case is; removed before the shard's summary, where that is allowed.

    ``instead_of`` is the SHA-256 of the part that is there and is to be replaced. Once another is there, nobody asks
    for the checkpoint any more: what it holds is older.
    """
    beside = "" if instead_of is None else f"-{instead_of}"
    return f"{checkpoints(shard)}{part:05d}{beside}.jsonl"


def provenance(shard: str, digest: str) -> str:
    """Which model, code and compute class inferred the cases whose ledger lines say ``"by": digest``."""
    return f"results/{shard}/provenance/{digest}.json"


def summary(shard: str) -> str:
    """Written last: its presence means that the shard is complete."""
    return f"results/{shard}/summary.json"


def timing(shard: str) -> str:
    """Times, rates, host and device: what differs between runs."""
    return f"results/{shard}/timing.json"


def output(case: str, extension: str) -> str:
    """A mask, heat map or score file of one case; ``extension`` without its leading dot."""
    return f"outputs/{case}.{extension}"


def shard_id(number: int, count: int) -> str:
    """Zero-padded to three digits, or to as many as ``count`` shards need."""
    return str(number).zfill(max(3, len(str(count - 1))))


def case_id(index: int, images: int) -> str:
    """The index of a case in its dataset, zero-padded to the digits that ``images`` images need."""
    return case_ids([index], images)[0]


def case_ids(indices: Iterable[int], images: int) -> list[str]:
    """:func:`case_id` of many."""
    digits = len(str(max(images - 1, 0)))
    return [str(index).zfill(digits) for index in indices]


def to_json(value: Any) -> bytes:
    """JSON for a person to read and a machine to compare: sorted keys, two spaces, a final newline, no NaN."""
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


_COMPACT = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def to_json_line(value: Any) -> bytes:
    """One compact JSON line with sorted keys."""
    return (_COMPACT.encode(value) + "\n").encode()
