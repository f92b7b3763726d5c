"""Groups of cases by a feature, and patients."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imaging_core.metrics.groups import MOST_GROUPS, NOT_GIVEN, OTHERS, grouping, patients

NUMBERS = st.lists(st.one_of(st.none(), st.integers(0, 40), st.just(40), st.just(0)), min_size=1, max_size=120)
VALUES = st.one_of(st.none(), st.sampled_from(["f", "m", ""]), st.booleans(), st.integers(0, 90), st.floats(0, 1))


def test_texts_are_groups_in_their_order_and_who_has_none_is_one_too():
    found = grouping("sex", ["m", None, "f", "m"])
    assert (found.feature, found.names, found.of_row.tolist()) == ("sex", ("f", "m", NOT_GIVEN), [1, 2, 0, 1])


def test_few_numbers_are_groups_of_their_own():
    found = grouping("grade", [3, 1, 2, 1.5])
    assert (found.names, found.of_row.tolist()) == (("1", "1.5", "2", "3"), [3, 0, 2, 1])


def test_many_numbers_are_cut_at_their_quartiles():
    found = grouping("age", [*range(20, 100), None])
    assert found.names == ("20 to 39", "40 to 59", "60 to 79", "80 to 99", NOT_GIVEN)
    assert np.bincount(found.of_row).tolist() == [20, 20, 20, 20, 1]


def test_quarters_are_fewer_where_many_share_a_number():
    found = grouping("age", [*range(13), *[90] * 40, float("nan")])
    assert found.names == ("0 to 12", "90 to 90", NOT_GIVEN)
    assert np.bincount(found.of_row).tolist() == [13, 40, 1]


def test_too_many_texts_leave_others():
    values = [f"site {n:03}" for n in range(80) for _ in range(1 + (n < 50))]
    found = grouping("site", values)
    assert len(found.names) == MOST_GROUPS + 1
    assert found.names[-1] == OTHERS
    assert np.bincount(found.of_row).tolist() == [2] * 50 + [30]


def test_truth_values_are_words():
    assert grouping("smoker", [True, False]).names == ("no", "yes")


@given(st.one_of(st.lists(VALUES, min_size=1, max_size=120), NUMBERS))
def test_every_case_is_in_exactly_one_group_that_is_there(values):
    found = grouping("any", values)
    assert len(found.of_row) == len(values)
    assert set(found.of_row.tolist()) == set(range(len(found.names)))
    for value, index in zip(values, found.of_row.tolist(), strict=True):
        assert (value is None) == (found.names[index] == NOT_GIVEN)


def test_a_patient_is_one_number_and_who_has_none_stands_alone():
    numbers = patients(["a", "b", "a", None, None])
    assert numbers[0] == numbers[2]
    assert len(set(numbers.tolist())) == 4
