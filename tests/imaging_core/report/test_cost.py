"""What a run cost, from the times of its shards."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from imaging_core.report.cost import Price, spent
from imaging_core.report.timings import ShardTime

TIME = ShardTime("000", datetime(2026, 11, 25, tzinfo=UTC), 1800.0, 600, 0.33, "node", "cpu", 1)


@pytest.mark.parametrize(
    ("text", "hour", "second"),
    [
        ("2.50", "2.50", "0.00069"),
        ("2.5 EUR", "2.50 EUR", "0.00069 EUR"),
        ("3€", "3.00 €", "0.00083 €"),
        ("0", "0.00", "0.00"),
        ("12000 JPY", "12,000.00 JPY", "3.33 JPY"),
    ],
)
def test_a_price(text, hour, second):
    price = Price.parse(text)
    assert str(price) == f"{hour} an hour"
    assert price.of(1) == second


@pytest.mark.parametrize("text", ["", "cheap", "-1", "1,50", "2.5 <b>", "2.5 EUROS", "nan", "inf"])
def test_what_is_no_price(text):
    with pytest.raises(ValueError, match="not a price"):
        Price.parse(text)


def test_every_shards_machine_is_paid_for():
    times = [TIME, replace(TIME, shard="001", seconds=5400.0)]
    assert spent(times, Price.parse("2 EUR")) == [
        "At 2.00 EUR an hour for each shard's machine: 4.00 EUR, 0.0033 EUR per case."
    ]


def test_gpu_seconds_are_those_of_shards_on_gpus():
    times = [TIME, replace(TIME, shard="001", device="NVIDIA H100", seconds=90.0)]
    assert spent(times, None) == ["GPUs were held for 90 GPU-seconds (1 min 30 s)."]


def test_nothing_is_said_of_nothing():
    assert spent([TIME], None) == []
    assert spent([], Price.parse("2")) == []
    assert spent([replace(TIME, cases=0)], Price.parse("2")) == []
