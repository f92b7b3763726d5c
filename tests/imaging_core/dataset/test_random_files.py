"""Random and mutated dataset files: no crash, no hang, and three readings that agree."""

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import fuzz_dtd
from imaging_core.dataset.dtd import parse_dataset
from imaging_core.dataset.write import write_dataset
from imaging_core.errors import DataError
from tests.imaging_core.dataset.plain_reading import read_plainly, same_value
from tests.imaging_core.dataset.random_texts import mutated, random_bytes, random_text

PROJECT = Path(__file__).parents[3]
RANDOM = st.integers(0, 2**64).map(Random)


@settings(max_examples=300)
@given(RANDOM)
def test_patterns_libyaml_and_pyyaml_read_the_same_whatever_the_layout(rng):
    fuzz_dtd.check(random_text(rng).encode("utf-8", "replace"))


@settings(max_examples=300)
@given(RANDOM)
def test_and_so_they_do_after_accidents(rng):
    fuzz_dtd.check(mutated(rng, random_text(rng)).encode("utf-8", "replace"))
    fuzz_dtd.check(random_bytes(rng))


@settings(max_examples=300)
@given(RANDOM)
def test_what_is_read_is_written_so_that_everybody_reads_it_again(rng):
    try:
        dataset = parse_dataset(random_text(rng).encode("utf-8", "replace"), fuzz_dtd.WHERE)
    except DataError:
        return
    written = write_dataset(dataset, {})
    again = parse_dataset(written, fuzz_dtd.WHERE)
    assert list(again.samples) == list(dataset.samples)
    assert (again.name, again.description) == (dataset.name, dataset.description)
    assert (again.classes, again.features, again.split) == (dataset.classes, dataset.features, dataset.split)
    plain = read_plainly(written.decode())
    assert (plain.classes, plain.features, plain.split) == (dataset.classes, dataset.features, dict(dataset.split))
    for sample, locations, label, values in zip(
        dataset.samples, plain.locations, plain.labels, plain.values, strict=True
    ):
        assert (sample.locations, sample.label) == (locations, label)
        assert all(map(same_value, sample.values, values))


def test_most_random_files_are_datasets():
    """Else the tests above would say little."""
    read = 0
    for seed in range(300):
        try:
            parse_dataset(random_text(Random(seed)).encode("utf-8", "replace"), fuzz_dtd.WHERE)
            read += 1
        except DataError:
            pass
    assert read > 150


class TestFuzzing:
    def test_some_thousand_inputs_are_read_or_refused(self, tmp_path):
        command = [sys.executable, "-m", "benchmarks.fuzz_dtd", "--inputs", "4000", "--seed", "12345"]
        done = subprocess.run(
            [*command, "--keep", str(tmp_path)], cwd=PROJECT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout
        assert "4000 inputs" in done.stdout
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("wrong", [RuntimeError, DataError])
    def test_another_error_than_a_data_error_or_a_poor_message_is_a_finding(self, monkeypatch, wrong):
        def parse(*_arguments):
            raise wrong("something")

        monkeypatch.setattr(fuzz_dtd, "parse_dataset", parse)
        with pytest.raises(RuntimeError if wrong is RuntimeError else fuzz_dtd.Finding):
            fuzz_dtd.check(b"images: [a]\n")

    def test_another_reading_is_a_finding(self, monkeypatch):
        monkeypatch.setattr(fuzz_dtd, "parse_dataset", lambda _data, where: parse_dataset(b"images: [b]\n", where))
        with pytest.raises(fuzz_dtd.Finding, match="other locations"):
            fuzz_dtd.check(b"images: [a]\n")

    def test_a_child_that_ends_is_a_finding_and_its_input_is_named(self, monkeypatch, tmp_path, capsys):
        monkeypatch.setattr(sys, "executable", "/bin/false")
        assert fuzz_dtd.FUZZER.main(["--inputs", "10", "--seed", "7", "--keep", str(tmp_path)]) == 1
        assert f"the input is {tmp_path / 'input-7.yml'}" in capsys.readouterr().out
