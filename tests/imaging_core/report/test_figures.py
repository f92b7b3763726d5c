"""Numbers for a person: never rounded to look perfect, or like nothing."""

import numpy as np
import pytest

from imaging_core.report.figures import (
    LARGEST_HEAT_MAP,
    duration,
    figure,
    frequent_confusions,
    heat_map,
    histogram,
    percent,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\u2013"),
        (0.0, "0.0000"),
        (1.0, "1.0000"),
        (0.97218, "0.9722"),
        (4.5e-10, "4.5e-10"),
        (0.99999, "> 0.9999"),
        (0.99994, "0.9999"),
        (-0.25, "-0.2500"),
    ],
)
def test_a_figure(value, text):
    assert figure(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0%"), (1, "100%"), (0.5, "50.0%"), (1e-6, "< 0.1%"), (0.99999, "> 99.9%"), (0.001, "0.1%")],
)
def test_a_share(share, text):
    assert percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.23, "4.2 s"), (185, "3 min 05 s"), (7620, "2 h 07 min"), (59.96, "60.0 s")]
)
def test_a_duration(seconds, text):
    assert duration(seconds) == text


def test_a_histogram_holds_every_value_once_and_1_in_its_last_bar():
    values = np.array([0.0, 0.049, 0.05, 0.5, 0.999, 1.0])
    drawn = histogram(values)
    assert [bar.count for bar in drawn.bars if bar.count] == [2, 1, 1, 2]
    assert drawn.bars[-1].count == 2
    assert sum(bar.width for bar in drawn.bars) == pytest.approx(100)
    assert drawn.mean == pytest.approx(100 * values.mean())


@pytest.mark.parametrize("n", [1, 3, 4, 5, 9, 21, 99, 1234, 1_000_000])
def test_a_histograms_axis_has_few_round_steps_and_reaches_the_highest_bar(n):
    ticks = [count for _, count in histogram(np.zeros(n)).ticks]
    assert ticks[0] == 0
    assert ticks[-1] >= n
    assert len(ticks) <= 5
    assert all(str(tick).strip("0") in {"", *"123456789", "15", "25", "75", "125"} for tick in ticks)


def test_a_histogram_of_nothing_is_none():
    assert histogram(np.zeros(0)) is None


def test_a_heat_maps_rows_are_shares_of_the_true_class():
    rows = heat_map([[3, 1], [0, 0]])
    assert [[cell.share for cell in row] for row in rows] == [["75.0%", "25.0%"], ["0%", "0%"]]
    assert [[cell.right for cell in row] for row in rows] == [[True, False], [False, True]]
    assert rows[0][0].tint > rows[0][1].tint > rows[1][0].tint == 0


def test_too_many_classes_have_no_heat_map():
    size = LARGEST_HEAT_MAP + 1
    assert heat_map([[0] * size] * size) is None


def test_the_most_frequent_mistakes_first():
    confusion = [[5, 2, 0], [1, 9, 0], [0, 4, 0]]
    assert frequent_confusions(confusion, ["a", "b", "c"], shown=2) == [(4, "c", "b", "100%"), (2, "a", "b", "28.6%")]
