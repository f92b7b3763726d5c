"""What we write is a dataset file: we, PyYAML and a second reading by ECVL's rules read the same samples from it."""

import dataclasses

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from imaging_core.dataset.document import from_tree
from imaging_core.dataset.dtd import parse_dataset
from imaging_core.dataset.problems import Problems
from imaging_core.dataset.regular import read_regular
from imaging_core.dataset.sample import Dataset, Sample, ShardSource
from imaging_core.dataset.tree import parse
from imaging_core.dataset.write import write_dataset
from imaging_core.store import Location
from tests.imaging_core.dataset.plain_reading import read_plainly, same_value
from tests.imaging_core.dataset.strategies import datasets, texts

HOME = Location.parse("/data/set/d.yml")


def dataset(*samples, **changes):
    plain = Dataset(HOME, "0" * 64, "n", "d", (), (), samples, {})
    return dataclasses.replace(plain, **changes)


@given(datasets(HOME))
def test_it_is_read_back_to_the_same_samples(written):
    read = parse_dataset(write_dataset(written, {}), HOME)
    assert list(read.samples) == list(written.samples)
    for field in ("name", "description", "classes", "features", "split"):
        assert getattr(read, field) == getattr(written, field)


@given(datasets(HOME))
def test_a_second_reading_agrees(written):
    plain = read_plainly(write_dataset(written, {}).decode())
    assert plain.locations == [sample.locations for sample in written.samples]
    assert plain.labels == [sample.label for sample in written.samples]
    assert plain.split == written.split
    for sample, values in zip(written.samples, plain.values, strict=True):
        assert all(map(same_value, sample.values, values))


@given(datasets(HOME))
def test_pyyaml_loads_the_same_types(written):
    loaded = yaml.load(write_dataset(written, {}), Loader=yaml.CSafeLoader)
    assert (loaded["name"], loaded["description"]) == (written.name, written.description)
    assert tuple(loaded.get("classes", ())) == written.classes
    assert loaded.get("split", {}) == written.split
    for sample, image in zip(written.samples, loaded["images"], strict=True):
        location = image["location"]
        assert (tuple(location) if isinstance(location, list) else (location,)) == sample.locations
        label = image.get("label")
        assert (
            tuple(label) if isinstance(label, list) else (label,) if isinstance(label, int) else label
        ) == sample.label
        values = tuple(image.get("values", [None] * len(sample.values)))
        assert [*map(repr, values)] == [*map(repr, sample.values)]  # 1, 1.0 and True are equal, but not the same


@given(datasets(HOME))
def test_the_same_dataset_gives_the_same_bytes(written):
    copy = dataclasses.replace(written, samples=[dataclasses.replace(sample) for sample in written.samples])
    assert write_dataset(written, {}) == write_dataset(copy, {})


@given(datasets(HOME))
def test_what_we_write_is_laid_out_regularly(written):
    text = write_dataset(written, {}).decode()
    by_patterns, by_libyaml = read_regular(text, Problems("")), from_tree(parse(text, 1, Problems("")), Problems(""))
    assert by_patterns is not None
    assert by_patterns.images.locations == by_libyaml.images.locations
    assert by_patterns.images.labels == by_libyaml.images.labels
    assert by_patterns.images.values == by_libyaml.images.values


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=2, unique=True), texts)
def test_a_source_is_read_back(indices, split):
    source = ShardSource("a" * 64, 10**6 + 1, tuple(indices), split)
    written = dataset(Sample(("a",)), Sample(("b",)), source=source)
    assert parse_dataset(write_dataset(written, {}), HOME).source == source


def test_further_keys_are_written_and_ignored():
    data = write_dataset(dataset(Sample(("a",))), {"policy": "reference"})
    assert yaml.safe_load(data)["policy"] == "reference"
    assert len(parse_dataset(data, HOME).samples) == 1


@pytest.mark.parametrize(
    ("sample", "why"),
    [
        (Sample(("a",), "5"), "is read as a class"),
        (Sample(("a",), "cat"), "is read as a class"),
        (Sample(("a",), ""), "is read as a class"),
        (Sample(("a",), ()), "names no class"),
        (Sample(("",)), "is empty"),
        (Sample(("a", "")), "is empty"),
        (Sample(("a",), None, (float("nan"),)), "cannot be written"),
        (Sample(("a",), None, (float("inf"),)), "cannot be written"),
    ],
)
def test_what_would_be_read_as_something_else_is_refused(sample, why):
    with pytest.raises(ValueError, match=why):
        write_dataset(dataset(sample, classes=("cat",), features=("f",)), {})
