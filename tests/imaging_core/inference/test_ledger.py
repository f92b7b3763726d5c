"""Ledger lines: read back as they were written, and refused where a value is not what it should be."""

import json
import math
from dataclasses import asdict

import numpy as np
import pytest

from imaging_core.errors import DataError
from imaging_core.inference.ledger import Counts, Record, read_part, to_part

RECORDS = (
    Record("000", "done", "5f", size=(3, 4), inputs=1, label=(2,), scores=(0.1, 0.333333343, 1e-38)),
    Record("001", "done", "5f", counts={0: Counts(1, 2, 3, 4), 1: Counts(0, 0, 0, 10)}, deephealth=(3, 2**40)),
    Record("002", "failed", "5f", kind="unreadable", reason="ends too early \u2028 \x85 €", temporary=True),
    Record("003", "skipped", "", kind="too small", outputs={"mask": "outputs/003.png"}),
    Record("004", "done", "5f", outputs={"mask": "outputs/004.png"}, digests={"mask": ("0" * 64, 117)}),
)


def test_records_are_read_back_as_they_were_written():
    assert tuple(read_part(to_part(RECORDS), "part")) == RECORDS


def test_a_part_is_what_pythons_own_json_writes():
    drawn = np.random.default_rng(0)
    powers = drawn.uniform(1, 10, (40, 60)) * 10.0 ** np.arange(-40, 20)
    edges = (0.0, -0.0, -0.25, 1.0, 1e-4, math.nextafter(1e-4, 0), 1e16, math.nextafter(1e16, 0), 5e-324, 1e308)
    rows = [*map(tuple, powers.tolist()), edges, ()]
    scored = [Record("00", "done", "5f", scores=row, outputs={"scores": 'outputs/"scores":0'}) for row in rows]

    outputs = {"probabilities": "outputs/1.p.npz", "mask": "outputs/1.png"}
    digests = dict.fromkeys(outputs, ("0" * 64, 1))
    classes = {index: Counts(1, 2, 3, 4) for index in range(12)}
    scored += [
        Record("0a", "done", "5f", counts=classes, outputs=outputs, digests=digests),
        Record("0b", "done", "5f", scores=(0.25, 3e-5), outputs=outputs, digests=digests),
        *(Record("0c", "done", "5f", size=(3, 4), inputs=1, label=(2,), scores=row) for row in rows),
        Record("0d", "done", "5f", size=(3, 4), inputs=12, label=(), scores=(0.25, 0.75)),
        Record("0e", "done", "5f", label=(1, 2), scores=(1.0,)),
        Record('0"f', "done", "5f", size=(3, 4), inputs=1, scores=(0.25, 0.75)),
        Record("0g", "done", "", size=(), inputs=1, scores=(0.25, 0.75)),
    ]

    def line(record: Record) -> bytes:
        values = {name: value for name, value in asdict(record).items() if value not in (None, False, 0, {})}
        if record.counts is not None:
            values["counts"] = {str(n): [each.tp, each.fp, each.fn, each.tn] for n, each in record.counts.items()}
        return (json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n").encode()

    records = [*RECORDS, *scored, Record("9", "failed", "5f", kind="store", reason='a\\b "c"\t\n\x01\x7f é')]
    assert to_part(records) == b"".join(line(record) for record in records)


def test_scores_that_are_no_numbers_are_not_written():
    for scores in ((0.5, math.nan), (math.inf, 0.5), (0.5, math.inf, -math.inf)):
        for outputs in ({}, {"mask": "outputs/00.png"}):
            with pytest.raises(ValueError, match="not JSON compliant"):
                to_part([Record("00", "done", "5f", scores=scores, outputs=outputs)])


@pytest.mark.parametrize(
    "values",
    [
        '"scores":[NaN]',
        '"scores":[1e400]',
        '"scores":[true]',
        '"scores":["1"]',
        '"scores":null,"label":[-1]',
        '"label":[1.0]',
        '"label":[true]',
        '"label":[9223372036854775808]',
        '"size":[[1]]',
        '"deephealth":[2,1]',
        '"deephealth":[1]',
        '"counts":{"a":[1,2,3,4]}',
        '"counts":{"1":[1,2,3]}',
        '"counts":{"1":[1,2,3,-4]}',
        '"outputs":["mask"]',
        '"outputs":[]',
        '"outputs":{"mask":1}',
        '"outputs":{"mask":"a"},"digests":{"mask":["00",1]}',
        f'"outputs":{{"mask":"a"}},"digests":{{"mask":["{"0" * 64}",-1]}}',
        f'"outputs":{{"mask":"a"}},"digests":{{"probabilities":["{"0" * 64}",1]}}',
        '"reason":1',
        '"kind":[]',
        '"unknown":1',
    ],
)
def test_a_value_that_is_not_what_it_should_be_is_refused_by_line(values):
    line = f'{{"case":"7","by":"5f","state":"done",{values}}}\n'.encode()
    with pytest.raises(DataError, match=r"part, line 2: not a ledger line .*; delete this part"):
        list(read_part(to_part(RECORDS[:1]) + line, "part"))


@pytest.mark.parametrize(
    "line", [b"", b"{", b"1", b"[]", b"{}", b"{}x", b'"\xff"', b'{"case":7,"by":"","state":"done"}']
)
def test_what_is_no_record_is_refused(line):
    with pytest.raises(DataError, match="line 1"):
        list(read_part(line + b"\n", "part"))
