"""A location leads to the same place from wherever a shard lies."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging_core.dataset.relocate import Relocation
from imaging_core.dataset.sample import Dataset, Sample
from imaging_core.errors import DataError
from imaging_core.store import Location
from tests.imaging_core.dataset.strategies import paths, texts

parts = st.sampled_from(["a", "b", "runs", ".hidden", "ü x", "%41", "..", ".", ""])
inner = st.lists(parts, min_size=1, max_size=5).map("/".join)
folders = st.lists(st.sampled_from(["a", "b", "runs", "shards", "é"]), max_size=4).map("/".join)
stores = st.sampled_from(["/", "s3://bucket/", "s3://other/", "http://host/", "https://host:8080/"])
full = st.builds("{}{}".format, stores, inner)
written = (texts | paths | inner | full | st.just("http://host/a%20b/c.png?signature=%2F&x=1")).filter(bool)
places = st.builds(
    lambda store, folder, name: Location.parse(f"{store}{folder}").join(name), stores, folders, st.just("d.yml")
)


def readable(text, home):
    try:
        Location.parse(text, home)
    except DataError:
        return False
    return True


@given(places, places, st.lists(st.lists(written, min_size=1, max_size=2), min_size=1, max_size=4), st.data())
def test_it_resolves_to_the_same_place_from_the_other_folder(old, new, locations, data):
    planes = [[text for text in names if readable(text, old.parent)] or ["a"] for names in locations]
    masks = [data.draw(st.none() | st.sampled_from(names)) for names in planes]
    samples = [Sample(tuple(names), mask) for names, mask in zip(planes, masks, strict=True)]
    before = Dataset(old, "0" * 64, "", "", (), (), samples, {})
    after = dataclasses.replace(
        before, location=new, samples=Relocation(before, new.parent).samples(range(len(samples)))
    )
    for ours, theirs in zip(before.samples, after.samples, strict=True):
        assert [after.resolve(text) for text in theirs.locations] == [before.resolve(text) for text in ours.locations]
        if ours.label is None:
            assert theirs.label is None
        else:
            assert after.resolve(theirs.label) == before.resolve(ours.label)


@pytest.mark.parametrize(
    ("home", "folder", "text", "moved"),
    [
        ("/data/set", "/data/runs/r/shards", "i/0.png", "../../../set/i/0.png"),
        ("/data/set", "/data/set", "i/0.png", "i/0.png"),
        ("/data/set", "/data/set/runs/r/shards", "../other/0.png", "../../../../other/0.png"),
        ("/data/set", "/runs/shards", "/data/set/0.png", "../../data/set/0.png"),
        ("/data/set", "s3://b/r/shards", "i/0 1.png", "/data/set/i/0 1.png"),
        ("s3://b/set", "s3://b/r/shards", "i/0%20.png", "../../set/i/0%20.png"),
        ("s3://b/set", "s3://c/r/shards", "i/0.png", "s3://b/set/i/0.png"),
        ("s3://b/set", "/runs/shards", "i/0.png", "s3://b/set/i/0.png"),
        ("/data/set", "/runs/shards", "s3://b/i/0.png", "s3://b/i/0.png"),
        ("/data/set", "/runs/shards", "https://h/a%20b.png", "https://h/a%20b.png"),
        ("/data/set", "/runs/shards", "https://h/a.png?key=%2Fx", "https://h/a.png?key=%2Fx"),
    ],
)
def test_it_is_relative_inside_one_store_and_full_across_stores(home, folder, text, moved):
    dataset = Dataset(Location.parse(home).join("d.yml"), "0" * 64, "", "", (), (), [Sample((text,), text)], {})
    ((sample),) = Relocation(dataset, Location.parse(folder)).samples([0])
    assert sample == Sample((moved,), moved)
