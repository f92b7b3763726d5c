"""``report/predictions.csv``: one line per expected case, in the order of their ids.

UTF-8, comma separated, quoted as RFC 4180 says, lines end in a line feed. An empty cell: there is none. Columns:

    case        the case's id
    image       how the dataset calls the image; the column is left out with ``--case-names index``
    state       done, failed, skipped or missing
    kind        of a failure; the rule of a skipped case
    reason      one sentence
  classification, one label per case
    label       true class
    predicted   class that the model says
    score_NAME  the model's score of each class; of a binary model only of the positive one
  classification, several labels per case: label_NAME and predicted_NAME (0 or 1), score_NAME
  segmentation
    iou_deephealth, iou, dice        of this case (see imaging_core.metrics.segmentation)
    tp_NAME, fp_NAME, fn_NAME, tn_NAME   pixels of each scored class
    hd95_NAME, assd_NAME, nsd_NAME       of each scored class, where surface distances were asked for
    lesion_tp_NAME, lesion_fp_NAME, lesion_fn_NAME   of each scored class, where lesions were asked for
    mask        key of the predicted mask below the run
  where DICOM results were asked for and a case has some
    dicom_seg, dicom_sr              keys of segmentation and structured report below the run

Numbers are in the shortest form that reads back to the same value. A text that a spreadsheet would take for a formula
(it begins with = + - @, their full-width forms, a tab or a line break, after any blanks) gets an apostrophe before it,
and so does a text that begins with an apostrophe: taking one leading apostrophe off gives the text back.
"""

import csv
import io
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from imaging_core.inference.dicom_results.asked import OUTPUTS
from imaging_core.metrics import counts as c
from imaging_core.metrics.classification import decide
from imaging_core.metrics.columns import ClassificationColumns, SegmentationColumns
from imaging_core.metrics.merge import DONE, STATE_NAMES, Merged
from imaging_core.metrics.segmentation import deephealth_per_case

Cell = str | int | float
Cells = list[Cell]

FORMULA_STARTS = tuple("=+-@＝＋－＠\t\r\n'")  # noqa: RUF001 - the full-width forms are meant


def predictions_csv(merged: Merged) -> bytes:
    """The table of all cases."""
    header, lines = table(merged)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return text.getvalue().encode("utf-8", "backslashreplace")


def table(merged: Merged) -> tuple[list[str], Iterator[Cells]]:
    """The columns' names, and the lines."""
    header, cells = _columns_of(merged.columns)
    image = ["image"] if merged.expected.images is not None else []
    dicom = [name for name in OUTPUTS if any(name in keys for keys in merged.dicom.values())]
    lines = _lines(merged, cells, [""] * len(header), dicom)
    return ["case", *image, "state", "kind", "reason", *header, *dicom], lines


def _lines(merged: Merged, cells: Callable[[int], Cells], nothing: Cells, dicom: Sequence[str]) -> Iterator[Cells]:
    images = merged.expected.images
    for row, (case, state) in enumerate(zip(merged.expected.ids(), merged.state.tolist(), strict=True)):
        image = [] if images is None else [safe_text(images[row])]
        reason = merged.reasons.get(row)
        why = [safe_text(reason.kind), safe_text(reason.sentence)] if reason else ["", ""]
        keys = [merged.dicom.get(row, {}).get(name, "") for name in dicom]
        yield [case, *image, STATE_NAMES[state], *why, *(cells(row) if state == DONE else nothing), *keys]


def safe_text(text: str) -> str:
    """The text, with an apostrophe before it when a spreadsheet would take it for a formula."""
    if text[:1].isalnum():
        return text
    return "'" + text if text.startswith(FORMULA_STARTS) or text.lstrip().startswith(FORMULA_STARTS) else text


def _columns_of(
    columns: ClassificationColumns | SegmentationColumns | None,
) -> tuple[list[str], Callable[[int], Cells]]:
    """The task's header, and the cells of a done row."""
    if columns is None:
        return [], lambda _row: []
    if isinstance(columns, SegmentationColumns):
        return _segmentation(columns)
    return _multilabel(columns) if columns.kind == "multilabel" else _one_label(columns)


def _one_label(columns: ClassificationColumns) -> tuple[list[str], Callable[[int], Cells]]:
    names = [safe_text(name) for name in columns.classes]
    labels = ["" if label < 0 else names[label] for label in columns.labels.tolist()]
    predicted = decide(columns.kind, columns.scores, columns.threshold).tolist()
    header = ["label", "predicted", *(f"score_{name}" for name in columns.score_names)]
    return header, lambda row: [labels[row], names[predicted[row]], *columns.scores[row].tolist()]


def _multilabel(columns: ClassificationColumns) -> tuple[list[str], Callable[[int], Cells]]:
    predicted = decide(columns.kind, columns.scores, columns.threshold).astype(np.int64)
    header = [f"{what}_{name}" for what in ("label", "predicted", "score") for name in columns.classes]

    def cells(row: int) -> Cells:
        labels: Cells = columns.labels[row].astype(int).tolist() if columns.scored[row] else [""] * len(columns.classes)
        return [*labels, *predicted[row].tolist(), *columns.scores[row].tolist()]

    return header, cells


def _segmentation(columns: SegmentationColumns) -> tuple[list[str], Callable[[int], Cells]]:
    empty = columns.empty
    overlaps = [
        [_or_empty(value) for value in values.tolist()]
        for values in (
            deephealth_per_case(columns.deephealth),
            c.per_case(c.iou, columns.counts, empty),
            c.per_case(c.dice, columns.counts, empty),
        )
    ]
    counts = [f"{cell}_{name}" for name in columns.classes for cell in ("tp", "fp", "fn", "tn")]
    more, measured = _measured(columns)
    header = ["iou_deephealth", "iou", "dice", *counts, *more, "mask"]
    unscored: Cells = [""] * (len(overlaps) + len(counts) + len(more))

    def cells(row: int) -> Cells:
        if not columns.scored[row]:
            return [*unscored, columns.masks[row] or ""]
        overlap = [values[row] for values in overlaps]
        return [*overlap, *columns.counts[row].ravel().tolist(), *measured(row), columns.masks[row] or ""]

    return header, cells


def _measured(columns: SegmentationColumns) -> tuple[list[str], Callable[[int], Cells]]:
    """The columns of what was measured beside pixels, those that any case has."""
    measured, empty = columns.measured, columns.empty
    counted, distant, mixed = bool(measured.counted.any()), measured.tolerance is not None, len(measured.units) > 1
    surface = [f"{what}_{name}" for name in columns.classes for what in ("hd95", "assd", "nsd")]
    surface += ["surface_unit"] * mixed
    lesions = [f"lesion_{cell}_{name}" for name in columns.classes for cell in ("tp", "fp", "fn")]
    nsd = c.per_case(c.recall, measured.borders.reshape(-1, 1, 4), empty).reshape(measured.distances.shape[:2])
    distances = np.concatenate([measured.distances, nsd[..., np.newaxis]], axis=2)

    def cells(row: int) -> Cells:
        found: Cells = []
        if distant:
            known = measured.surfaces[row]
            found += map(_or_empty, distances[row].ravel().tolist()) if known else [""] * 3 * len(columns.classes)
            if mixed:
                found.append(("mm" if measured.in_mm[row] else "pixels") if known else "")
        if counted:
            known = measured.counted[row]
            found += measured.lesions[row, :, : c.TN].ravel().tolist() if known else [""] * len(lesions)
        return found

    return [*(surface if distant else []), *(lesions if counted else [])], cells


def _or_empty(value: float) -> Cell:
    return "" if math.isnan(value) else value
