"""Surfaces and lesions in ledger lines: what is written is read, anything else is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging_core.errors import DataError
from imaging_core.inference.ledger import Counts, Record
from imaging_core.inference.measured import Lesions, Surface, Surfaces

DISTANCE = st.floats(0, 1e6)
COUNT = st.integers(0, 2**40)
SURFACE = st.builds(
    lambda known, hd95, assd, within, more: Surface(hd95 if known else None, assd if known else None, within, more),
    st.booleans(), DISTANCE, DISTANCE, COUNT, COUNT,
).map(lambda each: each._replace(of=each.of + each.within))  # fmt: skip
CLASSES = st.integers(0, 300)

RECORD = Record(
    "07", "done", "ab", size=(5, 5), inputs=1, counts={1: Counts(1, 2, 3, 19)},
    surface=Surfaces(1.0, "pixels", {1: Surface(2.0, 0.5, 7, 9)}), lesions={1: Lesions(2, 1, 0)},
)  # fmt: skip


@given(
    st.builds(Surfaces, DISTANCE, st.just("pixels"), st.dictionaries(CLASSES, SURFACE)),
    st.dictionaries(CLASSES, st.builds(Lesions, COUNT, COUNT, COUNT), min_size=1),
)
def test_what_is_written_is_read(surfaces, lesions):
    record = Record("07", "done", "ab", surface=surfaces, lesions=lesions)
    assert Record.from_line(record.to_line(), "here") == record


def test_a_record_without_them_does_not_mention_them():
    assert set(json.loads(Record("07", "done", "ab", counts={1: Counts(1, 2, 3, 4)}).to_line())) == {
        "case", "state", "by", "counts",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("surface", {"tolerance": 1.0, "unit": "pixels", "classes": {"1": [2.0, None, 7, 9]}}),
        ("surface", {"tolerance": 1.0, "unit": "pixels", "classes": {"1": [-2.0, 0.5, 7, 9]}}),
        ("surface", {"tolerance": 1.0, "unit": "pixels", "classes": {"1": ["2", 0.5, 7, 9]}}),
        ("surface", {"tolerance": 1.0, "unit": "pixels", "classes": {"1": [2.0, 0.5, 10, 9]}}),
        ("surface", {"tolerance": 1.0, "unit": "pixels", "classes": {"1": [2.0, 0.5, 7.5, 9]}}),
        ("surface", {"tolerance": 1.0, "unit": "pixels", "classes": {"1": [2.0, 0.5, 7]}}),
        ("surface", {"tolerance": 1.0, "unit": "pixels", "classes": {"one": [2.0, 0.5, 7, 9]}}),
        ("surface", {"tolerance": 1.0, "unit": "inches", "classes": {"1": [2.0, 0.5, 7, 9]}}),
        ("surface", {"tolerance": None, "unit": "pixels", "classes": {"1": [2.0, 0.5, 7, 9]}}),
        ("surface", {"unit": "pixels", "classes": {"1": [2.0, 0.5, 7, 9]}}),
        ("surface", {"tolerance": 1.0, "unit": "pixels"}),
        ("surface", {"tolerance": 1.0, "unit": "pixels", "classes": {}, "colour": "red"}),
        ("surface", [1.0]),
        ("lesions", {"1": [2, 1]}),
        ("lesions", {"1": [2, 1, -1]}),
        ("lesions", {"1": [2, 1, 0.5]}),
        ("lesions", {"one": [2, 1, 0]}),
        ("lesions", [2, 1, 0]),
    ],
)
def test_anything_else_is_refused(field, value):
    line = json.loads(RECORD.to_line())
    assert Record.from_line(json.dumps(line), "here") == RECORD
    with pytest.raises(DataError, match="here: not a ledger line"):
        Record.from_line(json.dumps(line | {field: value}), "here")
