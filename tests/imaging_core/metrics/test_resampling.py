"""Resampling: sums are those of whole numbers, however they are multiplied."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from imaging_core.metrics.resampling import RESAMPLES, Resamples, exact_product

ANY = st.integers(-(2**63), 2**63 - 1)
NEAR_THE_EDGES = st.sampled_from([0, 1, -1, 2**24 - 1, 2**24, -(2**24), 2**48, -(2**48) - 1, 2**63 - 1, -(2**63)])


@given(
    arrays.arrays(np.uint8, (3, 7)),
    arrays.arrays(np.int64, st.tuples(st.just(7), st.integers(0, 4)), elements=ANY | NEAR_THE_EDGES),
)
def test_a_product_is_that_of_int64(times, columns):
    assert exact_product(times, columns).tolist() == (times.astype(np.int64) @ columns).tolist()


def test_a_long_product_too_where_float64_would_round():
    generator = np.random.default_rng(0)
    times = generator.integers(0, 256, (40, 200_000), dtype=np.uint8)
    columns = generator.integers(-(2**40), 2**40, (200_000, 2))
    expected = times.astype(np.int64) @ columns
    assert np.array_equal(exact_product(times, columns), expected)
    assert not np.array_equal(
        (times[:1].astype(np.float64) @ columns.astype(np.float64)).astype(np.int64), expected[:1]
    )


def test_tables_of_patients_are_sums_over_the_cases_drawn():
    generator = np.random.default_rng(0)
    resamples = Resamples(90, generator.integers(0, 30, 90))
    for cells in (generator.integers(0, 9, 90), generator.integers(0, 9, 90)):
        one_hot = (cells[:, np.newaxis] == np.arange(9)).astype(np.int64)
        expected = resamples.sums(one_hot).reshape(RESAMPLES, 3, 3)
        assert np.array_equal(resamples.tables(cells, 3), expected)
        assert np.array_equal(resamples.tables(cells, 3), expected)


@pytest.mark.parametrize("cases", [0, 1])
def test_few_cases_have_sums(cases):
    assert Resamples(cases).sums(np.ones((cases, 2), dtype=np.int64)).tolist() == [[cases, cases]] * RESAMPLES
