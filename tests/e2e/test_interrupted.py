"""Runs that are interrupted at random moments and resumed give the bytes of an undisturbed one.

``python -m benchmarks.interruptions`` does the same as often as you like.
"""

from tests.interruptions.place import make_place, place_in_a_bucket
from tests.interruptions.rounds import rounds


def test_ten_times_on_this_machine(tmp_path):
    assert [str(each) for each in rounds(make_place(tmp_path), range(10)) if each.problem] == []


def test_ten_times_in_a_bucket(tmp_path):
    with place_in_a_bucket(tmp_path) as place:
        assert [str(each) for each in rounds(place, range(10, 20)) if each.problem] == []
