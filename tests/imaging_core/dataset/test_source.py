"""Which cases a shard holds is read alike however it is written, and never from a text that only looks like it."""

import pytest

from imaging_core.dataset.dtd import parse_dataset
from imaging_core.dataset.problems import Problems
from imaging_core.dataset.regular import read_regular
from imaging_core.dataset.sample import ShardSource
from imaging_core.dataset.write import write_dataset
from imaging_core.errors import DataError
from imaging_core.store import Location

HOME = Location.parse("/data/shards/000.yml")
IMAGES = "images:\n  - location: a.png\n  - location: b.png\n"
SOURCE = ShardSource("ab", 100, (7, 99))


def source_of(text: str) -> ShardSource | None:
    return parse_dataset(text.encode(), HOME).source


@pytest.mark.parametrize(
    "written",
    [
        "source:\n  sha256: 'ab'\n  images: 100\n  indices: [7, 99]\n",
        "source:\n  indices: [7, 99]\n  sha256: 'ab'\n  images: 100\n",
        "source:\n  sha256: ab\n  images: 100\n  indices: [7,99]\n",
        "source:\n  sha256: ab\n  images: 100\n  indices: [007, '99']\n",
        "source:\n  sha256: ab\n  images: 100\n  indices:\n    - 7\n    - 99\n",
        "source: # of it\n  sha256: ab\n  images: 100\n  indices: [7, 99] # all\n",
        "source: {sha256: ab, images: 100, indices: [7, 99]}\n",
    ],
)
def test_it_is_read_before_and_after_the_images(written):
    assert source_of(written + IMAGES) == source_of(IMAGES + written) == SOURCE


def test_a_text_that_looks_like_it_is_a_text():
    fake = "source:\n  sha256: cd\n  images: 9\n  indices: [1, 2]\n"
    real = "source:\n  sha256: 'ab'\n  images: 100\n  indices: [7, 99]\n"
    assert source_of(f'description: "\n{fake}"\n{real}{IMAGES}') == SOURCE
    assert source_of(f'description: "\n{fake}"\n{IMAGES}') is None


@pytest.mark.parametrize(
    ("indices", "complaint"),
    [
        ("[7, 100]", "does not name one image of the dataset for each image here"),
        ("[7]", "does not name one image of the dataset for each image here"),
        ("[7, 8, 9]", "does not name one image of the dataset for each image here"),
        ("[7, -1]", "something that is not a whole number"),
        ("[7, 1.5]", "something that is not a whole number"),
        ("[7, 1000000000000000]", "something that is not a whole number"),
        ("[7, 99]\n  indices: [7, 99]", "is given twice"),
    ],
)
def test_a_wrong_one_is_refused(indices, complaint):
    with pytest.raises(DataError, match=complaint):
        source_of(f"source:\n  sha256: ab\n  images: 100\n  indices: {indices}\n{IMAGES}")


def test_what_split_writes_goes_the_short_way():
    dataset = parse_dataset(f"source:\n  sha256: ab\n  images: 100\n  indices: [7, 99]\n{IMAGES}".encode(), HOME)
    document = read_regular(write_dataset(dataset, {}).decode(), Problems(""))
    assert document is not None
    assert document.source_indices == [7, 99]
