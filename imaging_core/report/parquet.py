"""``report/predictions.parquet``: the columns of ``predictions.csv`` with their types, for those who ask for it.

Texts are as they are, without the apostrophes that keep a spreadsheet from taking one for a formula; what is an empty
cell there is null. Written by pyarrow, which is not among the requirements: it is larger than all that gather needs.
"""

import io
from collections.abc import Iterator
from itertools import islice
from typing import Any

from imaging_core.errors import ConfigurationError
from imaging_core.inference.dicom_results.asked import OUTPUTS
from imaging_core.metrics.merge import Merged
from imaging_core.report.predictions import Cells, table

TEXTS = frozenset(("case", "image", "state", "kind", "reason", "label", "predicted", "mask", *OUTPUTS))
WHOLE = ("tp_", "fp_", "fn_", "tn_", "lesion_", "label_", "predicted_")
ROWS = 65_536
"""Of a row group."""


def check_parquet() -> None:
    """ConfigurationError when pyarrow is not there."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ConfigurationError("--parquet needs pyarrow, which is not installed: pip install pyarrow") from error


def predictions_parquet(merged: Merged) -> bytes:
    """The table of all cases; :func:`check_parquet` says whether it can be made."""
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    header, rows = table(merged)
    kinds = [pyarrow.string() if each in TEXTS else _number(pyarrow, each) for each in header]
    schema = pyarrow.schema(zip(header, kinds, strict=True))
    file = io.BytesIO()
    with ParquetWriter(file, schema, compression="zstd") as writer:
        for group in _groups(rows):
            columns = [[_value(cell) for cell in column] for column in zip(*group, strict=True)]
            writer.write_table(pyarrow.table(dict(zip(header, columns, strict=True)), schema=schema))
    return file.getvalue()


def _number(pyarrow: Any, name: str) -> Any:
    return pyarrow.int64() if name.startswith(WHOLE) else pyarrow.float64()


def _groups(rows: Iterator[Cells]) -> Iterator[list[Cells]]:
    while group := list(islice(rows, ROWS)):
        yield group


def _value(cell: str | int | float) -> str | int | float | None:
    if isinstance(cell, str):
        return cell.removeprefix("'") or None
    return cell
