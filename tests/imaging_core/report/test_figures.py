"""Numbers for a person: never rounded to look perfect, or like nothing."""

import pytest

from imaging_core.report.figures import (
    LARGEST_HEAT_MAP,
    duration,
    figure,
    frequent_confusions,
    heat_map,
    interval,
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
    ("low", "high", "text"),
    [
        (0.91234, 0.95678, "0.912 to 0.957"),
        (0.0, 1.0, "0.000 to 1.000"),
        (0.99986, 0.99993, "0.99986 to 0.99993"),
        (0.994528, 0.995320, "0.9945 to 0.9953"),
        (0.95, 0.9998, "0.9500 to 0.9998"),
        (0.9999, 1.0, "0.9999 to 1.0000"),
        (0.00001, 0.2, "1e-05 to 0.200"),
        (0.000011, 0.000012, "0.000011 to 0.000012"),
        (20.6144, 39.8518, "20.614 to 39.852"),
        (-0.02, 0.01, "-0.020 to 0.010"),
    ],
)
def test_an_intervals_ends_differ_and_look_like_1_only_where_they_are(low, high, text):
    assert interval({"low": low, "high": high, "method": "bootstrap"}) == text


def test_without_an_interval_there_is_no_text():
    assert interval(None) == ""


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
