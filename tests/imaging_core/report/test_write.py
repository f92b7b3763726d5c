"""Writing the report: twice the same bytes, nothing left of an earlier one, times never in the way."""

import json

import pytest

from imaging_core import run
from imaging_core.metrics.merge import merge
from imaging_core.report.timings import balance, cached, read_timings
from imaging_core.report.verdict import Rules
from imaging_core.report.write import write_report
from imaging_core.store import Store
from tests.imaging_core.report.synthetic_run import SyntheticRun, classification_records, make_card, segmentation_run


def written(store: Store) -> dict[str, bytes]:
    return {key: store.get(key) for key in store.list("report/")}


def test_a_second_time_writes_the_same_bytes(tmp_path):
    store = segmentation_run(tmp_path, 12, 40, shards=3).write(tmp_path)
    write_report(store, merge(store), Rules())
    first = written(store)
    write_report(store, merge(store), Rules())
    assert written(store) == first
    assert {run.METRICS, run.PREDICTIONS, run.REPORT_PAGE, run.REPORT_UI_PAGE} < set(first)


def test_pictures_of_an_earlier_report_are_removed(tmp_path):
    store = segmentation_run(tmp_path, 4, 40).write(tmp_path)
    store.put(f"{run.REPORT_UI_PICTURES}/99.jpg", b"old")
    write_report(store, merge(store), Rules())
    assert f"{run.REPORT_UI_PICTURES}/99.jpg" not in written(store)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"started":"never"}', b"\xff"])
def test_times_and_run_records_that_cannot_be_read_spoil_nothing(tmp_path, content):
    store = SyntheticRun(classification_records(9, 20), make_card(), 20, shards=3).write(tmp_path)
    store.put(run.timing("001"), content)
    store.put(run.RUN, content)
    report = write_report(store, merge(store), Rules())
    assert report.verdict.acceptable
    assert [time.shard for time in read_timings(store, ["000", "001", "002"])] == ["000", "002"]


def test_the_balance_is_the_longest_by_the_mean(tmp_path):
    store = SyntheticRun(classification_records(9, 20), make_card(), 20, shards=3).write(tmp_path)
    for shard, seconds in (("000", 10), ("001", 30), ("002", 20)):
        values = {**json.loads(store.get(run.timing(shard))), "seconds": seconds, "started": "2026-01-01T10:00:00Z"}
        store.put(run.timing(shard), run.to_json(values))
    together = balance(read_timings(store, ["000", "001", "002"]))
    assert [time.shard for time in together.times] == ["001", "002", "000"]
    assert (together.total, together.longest, together.ratio) == (60, 30, 1.5)
    assert (together.ended - together.started).total_seconds() == 30


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([None, None, None], None),
        ([0, 0, 0], "0 of 9 cases from the cache"),
        ([3, 2, 3], "8 of 9 cases from the cache"),
        ([3, None, 1], "4 of 6 cases from the cache"),
    ],
)
def test_cases_from_the_cache_are_counted_over_the_shards_that_had_one(tmp_path, found, words):
    store = SyntheticRun(classification_records(9, 20), make_card(), 20, shards=3).write(tmp_path)
    for number, hits in enumerate(found):
        key = run.timing(f"{number:03d}")
        store.put(key, run.to_json({**json.loads(store.get(key)), "from_cache": hits}))
    report = write_report(store, merge(store), Rules())

    assert cached(read_timings(store, ["000", "001", "002"])) == words
    assert ("from the cache" in report.text) is (words is not None)
    for key in (run.REPORT_PAGE, run.REPORT_UI_PAGE):
        page = store.get(key).decode()
        assert ("From cache" in page) is (words is not None)
        assert words is None or words in page
