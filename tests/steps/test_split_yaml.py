"""``python -m steps.split_yaml``: shards that are dataset files themselves, and the index last."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from imaging_core import run as layout
from imaging_core.dataset.index import case_ids, read_index, read_shard
from imaging_core.errors import ConfigurationError, DataError
from imaging_core.store import Location, open_store
from steps.split_yaml import main

ROOT = Path(__file__).parents[2]


def write(folder, images=10, split="split:\n  training: [0, 1]\n  test: [9, 8, 7, 6, 5, 4, 3, 2]\n", head=""):
    folder.mkdir(parents=True, exist_ok=True)
    entries = "".join(f"  - location: i/{n}.png\n    label: m/{n}.png\n" for n in range(images))
    (folder / "d.yml").write_text(f"name: some\n{head}images:\n{entries}{split}")
    return folder / "d.yml"


def run(folder, dataset, *more, split="test", shards="3"):
    arguments = ["--dataset", str(dataset), "--split", split, "--shards", shards, "--run", str(folder / "run")]
    return main([*arguments, *more])


def store_of(folder):
    return open_store(Location.parse(str(folder / "run")))


def snapshot(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class TestShards:
    def test_every_image_of_the_split_is_in_one_and_no_other_is(self, tmp_path):
        run(tmp_path, write(tmp_path / "data"))
        store = store_of(tmp_path)
        index = read_index(store)
        assert [(shard.id, shard.samples, shard.cost) for shard in index.shards] == [
            ("000", 3, 3),
            ("001", 3, 3),
            ("002", 2, 2),
        ]
        shards = [read_shard(store, shard) for shard in index.ids]
        assert sorted(index for shard in shards for index in shard.source.indices) == [2, 3, 4, 5, 6, 7, 8, 9]
        for shard in shards:
            assert list(shard.source.indices) == sorted(shard.source.indices)
            assert case_ids(shard) == [str(index) for index in shard.source.indices]
            assert dict(shard.split) == {"test": list(range(len(shard.samples)))}
            for sample, index_ in zip(shard.samples, shard.source.indices, strict=True):
                assert shard.resolve(sample.locations[0]) == Location.parse(str(tmp_path / f"data/i/{index_}.png"))
                assert shard.resolve(sample.label) == Location.parse(str(tmp_path / f"data/m/{index_}.png"))

    def test_are_dataset_files_for_any_reader(self, tmp_path):
        run(tmp_path, write(tmp_path / "data", head="description: of things\nfeatures: [f]\n"), shards="1")
        loaded = yaml.safe_load((tmp_path / "run/shards/000.yml").read_text())
        assert loaded["name"] == "some"
        assert loaded["images"][0] == {"location": "../../data/i/2.png", "label": "../../data/m/2.png"}
        assert loaded["source"] == {
            "sha256": read_index(store_of(tmp_path)).dataset.sha256, "images": 10, "indices": [2, 3, 4, 5, 6, 7, 8, 9],
        }  # fmt: skip

    def test_are_no_more_than_images(self, tmp_path):
        run(tmp_path, write(tmp_path / "data"), shards="1000")
        assert len(read_index(store_of(tmp_path)).shards) == 8

    def test_have_even_bytes_where_all_images_are_there(self, tmp_path):
        dataset = write(tmp_path / "data")
        (tmp_path / "data/i").mkdir()
        for number in range(10):
            (tmp_path / f"data/i/{number}.png").write_bytes(bytes(2**number))
        run(tmp_path, dataset, shards="2")
        index = read_index(store_of(tmp_path))
        assert index.cost == "bytes"
        assert [shard.cost for shard in index.shards] == [512, 4 + 8 + 16 + 32 + 64 + 128 + 256]
        (tmp_path / "data/i/5.png").unlink()
        run(tmp_path / "again", dataset, shards="2")
        assert read_index(store_of(tmp_path / "again")).cost == "samples"

    @pytest.mark.parametrize("shards", ["1", "2", "7"])
    def test_are_the_same_bytes_wherever_they_are_made_again(self, tmp_path, shards):
        dataset = write(tmp_path / "data")
        for folder in ("a", "b"):
            run(tmp_path / folder, dataset, shards=shards)
        assert snapshot(tmp_path / "a") == snapshot(tmp_path / "b")

    def test_have_even_numbers_of_images_where_sizes_may_not_be_looked_up(self, tmp_path, capsys, monkeypatch):
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        (tmp_path / "d.yml").write_text("images: [s3://b/x.png, s3://b/y.png]\n")
        run(tmp_path, tmp_path / "d.yml", "--allow-root", "s3://b", split="all")
        assert read_index(store_of(tmp_path)).cost == "samples"
        assert (
            "balanced by the number of images, their sizes are not known: s3://b/: invalid bucket"
            in capsys.readouterr().err
        )


class TestSplitNames:
    def test_all_takes_every_image(self, tmp_path, capsys):
        run(tmp_path, write(tmp_path / "data", split=""), split="all")
        assert read_index(store_of(tmp_path)).samples == 10
        assert capsys.readouterr().err == ""

    def test_all_warns_when_there_are_splits(self, tmp_path, capsys):
        run(tmp_path, write(tmp_path / "data"), split="all")
        assert read_index(store_of(tmp_path)).samples == 10
        assert capsys.readouterr().err == "warning: every image is inferred, whatever split it is in (training, test)\n"

    def test_a_split_may_be_called_all(self, tmp_path, capsys):
        run(tmp_path, write(tmp_path / "data", split="split: {all: [1, 2]}\n"), split="all")
        assert read_index(store_of(tmp_path)).samples == 2
        assert capsys.readouterr().err == ""

    def test_any_name_is_kept(self, tmp_path):
        run(tmp_path, write(tmp_path / "data", split="split: {'a: b #é': [1, 2]}\n"), split="a: b #é")
        assert read_index(store_of(tmp_path)).split == "a: b #é"
        assert list(read_shard(store_of(tmp_path), "000").split) == ["a: b #é"]

    def test_another_is_refused_with_those_that_there_are(self, tmp_path):
        with pytest.raises(DataError, match="has no 'val'; there are 'training', 'test'"):
            run(tmp_path, write(tmp_path / "data"), split="val")
        assert not (tmp_path / "run").exists()


class TestIndex:
    def test_says_what_was_split_and_how(self, tmp_path):
        dataset = write(tmp_path / "data", head="description: d\n")
        run(tmp_path, dataset, "--allow-root", str(tmp_path / "more"), "--allow-http", "Host:80")
        value = json.loads((tmp_path / "run/shards/index.json").read_text())
        facts = value.pop("dataset")
        assert facts.pop("sha256") == read_shard(store_of(tmp_path), "000").source.sha256
        assert facts == {
            "name": "some", "description": "d", "task": "segmentation", "images": 10, "classes": [], "features": [],
        }  # fmt: skip
        assert [shard["id"] for shard in value.pop("shards")] == ["000", "001", "002"]
        assert value == {
            "format": 1, "split": "test", "policy": "balanced", "cost": "samples", "samples": 8, "labelled": 8,
            "roots": ["../../data", "../../more"], "http_hosts": ["host:80"], "warnings": [], "cases_per_part": 128,
        }  # fmt: skip

    @pytest.mark.parametrize(("images", "shards", "each"), [(8192, 1, 128), (8193, 1, 256), (16_386, 2, 256)])
    def test_cuts_the_ledgers_of_large_shards_less_often(self, tmp_path, images, shards, each):
        dataset = write(tmp_path / "data", images, f"split:\n  test: {list(range(images))}\n")
        run(tmp_path, dataset, shards=str(shards))
        assert read_index(store_of(tmp_path)).cases_per_part == each

    @given(st.integers(0, 10**7))
    def test_a_ledger_has_few_parts_unless_they_would_be_long(self, largest):
        each = layout.cases_per_part(largest)
        assert each % 128 == 0
        assert 128 <= each <= 1024
        assert each == 1024 or len(layout.Parts(largest, each).numbers) <= 64
        assert each == 128 or len(layout.Parts(largest, each - 128).numbers) > 64

    def test_leads_to_the_roots(self, tmp_path):
        run(tmp_path, write(tmp_path / "data"), "--allow-root", "s3://bucket/more")
        allowed = read_index(store_of(tmp_path)).allowed
        assert allowed.allows(Location.parse(str(tmp_path / "data/x")))
        assert allowed.allows(Location.parse("s3://bucket/more/x"))
        assert not allowed.allows(Location.parse(str(tmp_path / "x")))

    def test_counts_what_has_a_ground_truth(self, tmp_path):
        dataset = write(tmp_path / "data")
        dataset.write_text(dataset.read_text().replace("    label: m/5.png\n", ""))
        run(tmp_path, dataset)
        assert read_index(store_of(tmp_path)).labelled == 7

    @pytest.mark.parametrize(
        "damage",
        [
            b"", b"[", b"[]", b"{}", b"\xff", b'{"format": 2}', b"[" * 100_000, b'"samples": -1', b'"samples": "8"',
            b'"roots": []', b'"shards": []', b'"id": "../../x"', b'"task": "other"', b'"classes": [1]',
        ],
    )  # fmt: skip
    def test_a_damaged_one_is_refused(self, tmp_path, damage):
        run(tmp_path, write(tmp_path / "data"), shards="1")
        path = tmp_path / "run/shards/index.json"
        if damage.startswith(b'"'):
            key = damage.split(b":")[0]
            damage = b"\n".join(damage if key in line else line for line in path.read_bytes().split(b"\n"))
        path.write_bytes(damage)
        with pytest.raises(
            DataError, match=r"run/shards/index\.json: not a shard index \(.+\); delete shards/ and split again"
        ):
            read_index(store_of(tmp_path))

    def test_a_shard_is_asked_for_by_its_id_only(self, tmp_path):
        run(tmp_path, write(tmp_path / "data"))
        for name in ("003", "../../data/d", "", "٣"):
            with pytest.raises(DataError, match=r"no (such )?shard.*there are 000 to 002"):
                read_shard(store_of(tmp_path), name)

    def test_a_file_that_is_no_shard_is_refused(self, tmp_path):
        run(tmp_path, write(tmp_path / "data"))
        (tmp_path / "run/shards/001.yml").write_text("images: [a]\n")
        with pytest.raises(DataError, match=r"001\.yml: does not say which cases its samples are"):
            read_shard(store_of(tmp_path), "001")


class TestAgain:
    def test_does_nothing_and_says_so(self, tmp_path, capsys):
        dataset = write(tmp_path / "data")
        run(tmp_path, dataset)
        first, said = snapshot(tmp_path), capsys.readouterr().out
        times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        run(tmp_path, dataset)
        assert snapshot(tmp_path) == first
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == times
        assert capsys.readouterr().out == f"already split: {said}"

    def test_makes_a_missing_shard_again(self, tmp_path):
        dataset = write(tmp_path / "data")
        run(tmp_path, dataset)
        first = snapshot(tmp_path)
        (tmp_path / "run/shards/001.yml").unlink()
        run(tmp_path, dataset)
        assert snapshot(tmp_path) == first

    def test_does_not_make_up_a_missing_shard(self, tmp_path):
        dataset = write(tmp_path / "data")
        (tmp_path / "data/i").mkdir()
        for number in range(10):
            (tmp_path / f"data/i/{number}.png").write_bytes(bytes(number + 1))
        run(tmp_path, dataset)
        (tmp_path / "run/shards/001.yml").unlink()
        (tmp_path / "data/i/2.png").write_bytes(bytes(1000))
        with pytest.raises(DataError, match=r"001\.yml: is missing, and cannot be made again"):
            run(tmp_path, dataset)

    @pytest.mark.parametrize(
        ("options", "other"),
        [
            ({"split": "training"}, "another split"),
            ({"shards": "2"}, "another number of shards"),
            ({"more": ["--policy", "reference"]}, "another policy"),
            ({"more": ["--allow-root", "/x"]}, "another list of allowed roots"),
            ({"more": ["--allow-http", "h"]}, "another list of allowed web servers"),
        ],
    )
    def test_with_other_options_is_refused(self, tmp_path, options, other):
        dataset = write(tmp_path / "data")
        run(tmp_path, dataset)
        first = snapshot(tmp_path)
        with pytest.raises(DataError, match=f"was split already, with .*{other}.*give another --run"):
            run(tmp_path, dataset, *options.pop("more", ()), **options)
        assert snapshot(tmp_path) == first

    def test_with_another_dataset_is_refused(self, tmp_path):
        run(tmp_path, write(tmp_path / "data"))
        with pytest.raises(DataError, match="was split already, with another dataset;"):
            run(tmp_path, write(tmp_path / "data", images=11))
        with pytest.raises(DataError, match="was split already, with another dataset;"):
            run(tmp_path, write(tmp_path / "moved"))

    def test_after_a_split_that_broke_off_its_files_are_gone(self, tmp_path):
        dataset = write(tmp_path / "data")
        run(tmp_path, dataset, shards="8")
        (tmp_path / "run/shards/index.json").unlink()
        run(tmp_path, dataset, shards="2")
        assert sorted(path.name for path in (tmp_path / "run/shards").iterdir()) == ["000.yml", "001.yml", "index.json"]


class TestAllowed:
    @pytest.mark.parametrize(
        ("text", "option"),
        [
            ("../x.png", "--allow-root"),
            ("/elsewhere/x.png", "--allow-root"),
            ("http://h/x.png", "--allow-http"),
        ],
    )
    def test_leaving_the_folder_needs_an_option(self, tmp_path, text, option):
        dataset = tmp_path / "data/d.yml"
        dataset.parent.mkdir()
        for entry in (f"location: {text}", f"location: x.png\n    label: {text}"):
            dataset.write_text(f"images:\n  - {entry}\n")
            with pytest.raises(DataError, match=option) as error:
                run(tmp_path, dataset, split="all")
            value = str(error.value).split(f"{option} ")[1].split()[0]
            run(tmp_path / str(len(entry)), dataset, option, value, split="all")

    def test_no_name_is_shown_when_only_indices_may_be(self, tmp_path):
        (tmp_path / "d.yml").write_text("images: [Doe.png, ./Doe.png, ../Doe/x.png]\n")
        with pytest.raises(DataError) as error:
            run(tmp_path, tmp_path / "d.yml", "--case-names", "index", split="all")
        assert "images[1]: " in str(error.value) or "images[1].location: " in str(error.value)
        assert "Doe" not in str(error.value)


class TestReference:
    def test_it_makes_the_parts_of_the_original(self, tmp_path, shared_data):
        folder = shared_data / "dtd/split_reference"
        run(tmp_path, folder / "isic_segmentation_small.yml", "--policy", "reference", shards="2")
        for number in range(2):
            theirs = yaml.safe_load((folder / f"part-00{number}-isic_segmentation.yml").read_text())
            ours = yaml.safe_load((tmp_path / f"run/shards/00{number}.yml").read_text())
            assert ours["split"] == theirs["split"]
            assert ours["policy"] == "reference"
            home = Location.parse(str(tmp_path / "run/shards"))
            for image, expected in zip(ours["images"], theirs["images"], strict=True):
                for key in ("location", "label"):
                    assert Location.parse(image[key], home) == Location.parse(str(folder / expected[key]))

    def test_only_200_of_600_test_images_are_inferred(self, tmp_path, shared_data, capsys):
        run(tmp_path, shared_data / "dtd/isic_segmentation.yml", "--policy", "reference")
        index = read_index(store_of(tmp_path))
        assert index.policy == "reference"
        assert "for comparison only" in capsys.readouterr().err
        shards = [read_shard(store_of(tmp_path), shard) for shard in index.ids]
        cases = [case for shard in shards for case in shard.source.indices]
        assert len([case for case in cases if case >= 2150]) == 200
        assert index.samples == len(cases) == sum(len(shard.samples) for shard in shards)
        assert [all(case < 2000 for case in shard.source.indices) for shard in shards] == [True, True, False]

    @given(images=st.integers(1, 40), shards=st.integers(1, 12))
    def test_all_takes_every_image_once(self, tmp_path_factory, images, shards):
        folder = tmp_path_factory.mktemp("all")
        run(folder, write(folder, images, split=""), "--policy", "reference", split="all", shards=str(shards))
        store = store_of(folder)
        found = [case for shard in read_index(store).ids for case in read_shard(store, shard).source.indices]
        assert found == list(range(images))


def test_the_last_line_says_what_was_made(tmp_path, capsys):
    run(tmp_path, write(tmp_path / "data"), "--outputs", str(tmp_path / "outputs"))
    assert "8 images of split 'test' in 3 shards of 2 to 3 samples" in capsys.readouterr().out
    assert json.loads((tmp_path / "outputs/shard-ids").read_text()) == ["000", "001", "002"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 0, "split test in 3 shards"),
        (["--shards", "0"], 64, "whole number of at least 1"),
        (["--policy", "other"], 64, "invalid choice"),
        (["--allow-http", "h/x"], 64, "'h/x' is not a host"),
        (["--dataset", "none.yml"], 65, "none.yml: no such file"),
        (["--split", "none"], 65, "there are 'training', 'test'"),
    ],
)
def test_as_a_process_it_exits_with_its_code(tmp_path, arguments, code, words):
    dataset = write(tmp_path / "data")
    command = [sys.executable, "-m", "steps.split_yaml", "--dataset", str(dataset), "--split", "test", "--shards", "3"]
    ended = subprocess.run(
        [*command, "--run", str(tmp_path / "run"), *arguments], capture_output=True, text=True, cwd=ROOT
    )
    assert ended.returncode == code
    assert words.replace("split test", "split 'test'") in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("place", ["data/d.yml", "data/d.yml/run", "/proc/run"])
def test_a_place_that_cannot_be_written_is_named(tmp_path, place):
    dataset = write(tmp_path / "data")
    for option, where in (("--run", place), ("--outputs", f"{place}/outputs")):
        with pytest.raises(ConfigurationError, match=r"cannot be written: .*; "):
            run(tmp_path, dataset, option, str(tmp_path / where))


@pytest.mark.parametrize("host", ["h:81", "H:81", "http://h:81", "https://h:81/"])
def test_a_host_is_known_however_it_is_written(tmp_path, host):
    dataset = tmp_path / "d.yml"
    dataset.write_text("images: ['http://h:81/x.png', 'https://H:81/y.png']\n")
    run(tmp_path, dataset, "--allow-http", host, split="all")
    assert read_index(store_of(tmp_path)).http_hosts == ("h:81",)


def test_it_starts_without_the_heavy_packages():
    heavy = {"numpy", "torch", "pydantic", "PIL", "minio"}
    script = f"import sys, steps.split_yaml; print({heavy} & sys.modules.keys())"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert ended.stdout == "set()\n"
