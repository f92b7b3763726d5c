"""Columns of surfaces and lesions: filled from records, given only when every scored case has them."""

import numpy as np
import pytest

from imaging_core.inference.ledger import Counts, Record
from imaging_core.inference.measured import Lesions, Surface, Surfaces
from imaging_core.metrics.columns import SegmentationColumns
from tests.imaging_core.report.synthetic_run import make_card

CARD = make_card("segmentation", "multilabel", ["a", "b"])
COUNTS = {0: Counts(1, 2, 3, 4), 1: Counts(0, 0, 0, 10)}


def record(
    tolerance: float = 1.0, *, classes=(0, 1), surface: bool = True, lesions: bool = True, unit: str = "pixels"
) -> Record:
    surfaces = {k: Surface(2.0 + k, 0.5, 7, 9) if k == 0 else Surface(None, None, 0, 4) for k in classes}
    return Record(
        "0", "done", "", counts=COUNTS,
        surface=Surfaces(tolerance, unit, surfaces) if surface else None,
        lesions={k: Lesions(k, 1, 2) for k in classes} if lesions else None,
    )  # fmt: skip


def filled(*records: Record) -> SegmentationColumns:
    columns = SegmentationColumns(CARD, len(records) + 1)  # the last one is not done
    for row, each in enumerate(records):
        columns.put(row, each)
    return columns


def test_records_become_arrays():
    measured = filled(record(), record()).cases().measured
    assert measured.distances[1, 0].tolist() == [2.0, 0.5]
    assert np.isnan(measured.distances[1, 1]).all()
    assert measured.borders[1].tolist() == [[7, 0, 2, 0], [0, 0, 4, 0]]
    assert measured.lesions[1].tolist() == [[0, 1, 2, 0], [1, 1, 2, 0]]


def test_a_part_of_the_cases_gets_its_part():
    columns = filled(record(), record(lesions=True), record())
    some = columns.cases(np.array([True, False, True, False])).measured
    assert [len(each) for each in (some.distances, some.borders, some.lesions)] == [2, 2, 2]


@pytest.mark.parametrize("lacking", ["surface", "lesions"])
def test_what_one_scored_case_lacks_is_given_of_none(lacking):
    columns = filled(record(), record(**{lacking: False}))
    for among in (None, np.array([True, False, False])):
        measured = columns.cases(among).measured
        assert (measured.distances is None) == (measured.borders is None) == (lacking == "surface")
        assert (measured.lesions is None) == (lacking == "lesions")


def test_a_case_without_ground_truth_may_lack_them():
    columns = filled(record(), Record("1", "done", ""))
    assert len(columns.cases().measured.lesions) == 1


def test_two_tolerances_in_one_run_are_refused():
    with pytest.raises(ValueError, match="tolerance of 2 where others have 1"):
        filled(record(), record(2.0))


def test_millimetres_and_pixels_are_not_averaged():
    columns = filled(record(unit="mm"), record(), record(unit="mm"))
    assert columns.measured.units == {"mm": 2, "pixels": 1}
    for among in (None, np.array([True, False, True, False])):
        measured = columns.cases(among).measured
        assert measured.distances is measured.borders is None
        assert measured.lesions is not None
    assert filled(record(unit="mm"), record(unit="mm")).cases().measured.distances is not None


@pytest.mark.parametrize(("lacking", "word"), [("lesions", "surfaces"), ("surface", "lesions")])
def test_other_classes_than_the_models_are_refused(lacking, word):
    with pytest.raises(ValueError, match=rf"{word} of classes \[0\] where the model has \[0, 1\]"):
        filled(record(classes=(0,), **{lacking: False}))
