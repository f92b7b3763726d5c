"""Merging: every expected case once, whatever the shards; anything else is refused by name."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging_core import run
from imaging_core.errors import DataError, MissingError
from imaging_core.inference.ledger import Record
from imaging_core.metrics.merge import MISSING, merge
from imaging_core.report.document import metrics_document
from imaging_core.report.predictions import predictions_csv
from imaging_core.report.verdict import Rules, judge
from imaging_core.store import Location, Store
from imaging_core.store.local import LocalStore
from tests.imaging_core.report.synthetic_run import (
    COMPUTE_CLASS,
    SyntheticRun,
    classification_records,
    make_card,
    segmentation_run,
)

CLASSES = ("cat", "dog", "owl")
KINDS = ("binary", "multiclass", "multilabel")


def synthetic(n: int = 200, shards: int = 3, **changes: Any) -> SyntheticRun:
    records = classification_records(n, 1000, failing=0.05)
    return replace(SyntheticRun(records, make_card(), 1000, classes=CLASSES, shards=shards), **changes)


class Vanishing(LocalStore):
    """A run in which another process removes a file right after it was listed."""

    def __init__(self, root: Location, key: str) -> None:
        super().__init__(root)
        self._key = key

    def list(self, prefix: str = "") -> Iterator[str]:
        keys = [*super().list(prefix)]
        self.delete(self._key)
        yield from keys


class Arriving(LocalStore):
    """A run in which another process writes a file right after all were listed."""

    def __init__(self, root: Location, key: str, data: bytes) -> None:
        super().__init__(root)
        self._key, self._data = key, data

    def list(self, prefix: str = "") -> Iterator[str]:
        keys = [*super().list(prefix)]
        self.put(self._key, self._data)
        yield from keys


def with_checkpoint(folder: Path, choose: Callable[[list[bytes]], list[bytes]]) -> Store:
    """Of shard 001 only the first of two parts is there, and of the lines of the second some in a checkpoint."""
    lines = synthetic().write(folder / "complete").get(run.ledger_part("001", 1)).splitlines(keepends=True)
    store = synthetic(unfinished={1: 1}).write(folder / "unfinished")
    store.put(run.checkpoint("001", 1), b"".join(choose(lines)))
    return store


def figures(store: Store) -> tuple[bytes, bytes]:
    merged = merge(store)
    return run.to_json(metrics_document(merged, judge(merged, Rules()))), predictions_csv(merged)


class TestAnyShards:
    @settings(max_examples=6)
    @given(st.sampled_from(KINDS), st.randoms(use_true_random=False), st.integers(0, 99))
    def test_the_same_bytes_for_any_number_and_order_of_shards_and_cases(self, kind, shuffler, seed):
        classes = CLASSES[:2] if kind == "binary" else CLASSES
        records = classification_records(70, 400, len(classes), seed, kind, failing=0.1)

        def shuffled(cases: list[Record], shards: int) -> list[list[Record]]:
            shuffler.shuffle(cases)
            cuts = sorted(shuffler.sample(range(1, len(cases)), shards - 1))
            return [cases[a:b] for a, b in zip([0, *cuts], [*cuts, len(cases)], strict=True)]

        seen = set()
        for shards in (1, 2, 3, 7, len(records)):
            with tempfile.TemporaryDirectory() as folder:
                written = SyntheticRun(
                    records, make_card(kind=kind, classes=classes), 400, classes, shards, deal=shuffled, timing=False
                )
                seen.add(figures(written.write(Path(folder))))
        assert len(seen) == 1

    def test_of_a_segmentation_too(self, tmp_path):
        first = segmentation_run(tmp_path / "a", 12, 40, shards=1)
        second = segmentation_run(tmp_path / "b", 12, 40, shards=7)
        assert figures(first.write(tmp_path / "a")) == figures(second.write(tmp_path / "b"))

    def test_every_case_has_one_state_and_they_add_up(self, tmp_path):
        merged = merge(synthetic(200, 3, unfinished={1: 1}).write(tmp_path))
        counts = {state: merged.count(state) for state in ("done", "failed", "skipped", "missing")}
        assert sum(counts.values()) == 200
        assert counts["missing"] == 67 - run.FORMER_CASES_PER_PART
        assert merged.incomplete == ("001",)

    def test_what_a_checkpoint_holds_of_an_unfinished_part_counts(self, tmp_path):
        merged = merge(with_checkpoint(tmp_path, lambda lines: [lines[0], *lines[2:]]))
        assert merged.count("missing") == 1
        assert merged.incomplete == ("001",)
        complete = merge(synthetic().write(tmp_path / "complete"))
        (row,) = np.flatnonzero(merged.state == MISSING)
        assert np.delete(merged.state, row).tolist() == np.delete(complete.state, row).tolist()
        scores = [np.delete(each.columns.scores, row, 0) for each in (merged, complete)]
        np.testing.assert_array_equal(*scores)  # of failed cases NaN in both

    def test_a_checkpoint_is_not_asked_where_the_part_is_there_or_has_come_since(self, tmp_path):
        store = with_checkpoint(tmp_path, lambda lines: lines[:1])
        assert merge(Vanishing(store.root, run.checkpoint("001", 1))).count("missing") == 3
        store.put(run.checkpoint("001", 0), b"rubbish")
        store.put(run.checkpoint("001", 1, "0" * 64), b"rubbish")
        assert merge(store).count("missing") == 3

    def test_a_step_that_has_begun_elsewhere_since_is_no_damage(self, tmp_path):
        """It writes its provenance first."""
        store = with_checkpoint(tmp_path, lambda lines: lines)
        (key,) = store.list("results/001/provenance/")
        data = store.get(key)
        store.delete(key)
        with pytest.raises(DataError, match="which is not there"):
            merge(store)
        assert merge(Arriving(store.root, key, data)).count("missing") == 0

    def test_a_shard_that_never_began_is_missing(self, tmp_path):
        merged = merge(synthetic(30, 3, unfinished={0: 0, 1: 0, 2: 0}).write(tmp_path))
        assert merged.count("missing") == 30
        assert merged.model is None

    def test_a_summary_that_is_taken_away_while_it_is_read_leaves_its_shard_unfinished(self, tmp_path):
        store = Vanishing(synthetic().write(tmp_path).root, run.summary("001"))
        assert merge(store).incomplete == ("001",)

    def test_scores_and_labels_are_those_of_the_ledger(self, tmp_path):
        records = classification_records(70, 300)
        merged = merge(SyntheticRun(records, make_card(), 300, CLASSES, 2).write(tmp_path))
        assert [merged.expected.id(row) for row in range(70)] == [record.case for record in records]
        assert merged.columns.scores.tolist() == [list(record.scores or ()) for record in records]
        assert [(label,) for label in merged.columns.labels.tolist()] == [record.label for record in records]


class TestNames:
    def test_images_are_called_as_the_dataset_calls_them(self, tmp_path):
        records = classification_records(3, 10)
        names = {int(record.case): f"patient {record.case}/x y.png" for record in records}
        merged = merge(SyntheticRun(records, make_card(), 10, CLASSES, names=names).write(tmp_path))
        assert merged.expected.images == list(names.values())

    def test_they_are_not_kept_when_not_wanted(self, tmp_path):
        assert merge(synthetic(3, 1).write(tmp_path), names=False).expected.images is None

    def test_nor_shown_in_errors(self, tmp_path):
        store = synthetic(3, 1, names=dict.fromkeys(range(1000), "images/Doe.png")).write(tmp_path)
        with pytest.raises(DataError, match="already") as error:
            merge(store, names=False)
        assert "Doe" not in str(error.value)


class TestOneModel:
    def test_two_models_are_refused_with_the_shards_that_used_them(self, tmp_path):
        store = synthetic(cards={2: make_card(name="model-b")}).write(tmp_path)
        with pytest.raises(DataError, match=r"shard 000 was inferred with 'model-a' .* shard 002 with 'model-b'"):
            merge(store)

    def test_a_provenance_that_no_record_uses_does_not_count(self, tmp_path):
        store = synthetic().write(tmp_path)
        data = run.to_json({"format": 1})
        store.put(run.provenance("001", hashlib.sha256(data).hexdigest()[:12]), data)
        assert len(merge(store).compute_classes) == 1

    def test_mixed_compute_classes_are_kept_apart_and_sorted(self, tmp_path):
        classes = [{**COMPUTE_CLASS, "instruction_set": name} for name in ("AVX512", "AVX2", "SSE4")]
        merged = merge(synthetic(compute_classes=dict(enumerate(classes))).write(tmp_path))
        assert [each["instruction_set"] for each in merged.compute_classes] == ["AVX2", "AVX512", "SSE4"]


def rewrite(store: Store, key: str, change: Callable[[Any], Any]) -> None:
    store.put(key, run.to_json(change(json.loads(store.get(key)))))


def without_summary(store: Store, shard: str) -> Store:
    store.delete(run.summary(shard))
    return store


class TestRefused:
    def test_a_run_without_an_index(self, tmp_path):
        store = synthetic().write(tmp_path)
        store.delete(run.SHARD_INDEX)
        with pytest.raises(MissingError):
            merge(store)

    def test_a_shard_whose_file_is_gone(self, tmp_path):
        store = synthetic().write(tmp_path)
        store.delete(run.shard_file("001"))
        with pytest.raises(MissingError, match=r"001\.yml"):
            merge(store)

    def test_a_shard_whose_file_was_changed(self, tmp_path):
        store = synthetic().write(tmp_path)
        store.put(run.shard_file("001"), store.get(run.shard_file("001")) + b"\n")
        with pytest.raises(DataError, match=r"shards/001\.yml: changed since the split"):
            merge(store)

    def test_a_case_in_two_shards(self, tmp_path):
        def overlapping(cases: list[Record], shards: int) -> list[list[Record]]:
            return [cases[:6], cases[5:]]

        store = synthetic(10, deal=overlapping).write(tmp_path)
        with pytest.raises(DataError, match=r"case \d{3} is in shard 000 and in shard 001"):
            merge(store)

    def test_results_of_a_shard_that_the_index_does_not_know(self, tmp_path):
        store = synthetic().write(tmp_path)
        store.put(run.summary("007"), store.get(run.summary("001")))
        with pytest.raises(DataError, match="knows no shard '007'"):
            merge(store)

    def test_a_part_that_does_not_fit_its_digest(self, tmp_path):
        store = synthetic().write(tmp_path)
        key = run.ledger_part("001", 0)
        store.put(key, store.get(key).replace(b"done", b"skip", 1))
        with pytest.raises(DataError, match=r"results/001/cases/00000\.jsonl: does not fit its digest"):
            merge(store)

    def test_a_part_that_the_summary_lists_and_that_is_gone(self, tmp_path):
        store = synthetic().write(tmp_path)
        store.delete(run.ledger_part("001", 0))
        with pytest.raises(DataError, match=r"results/001/cases/00000\.jsonl: missing, though the summary lists it"):
            merge(store)

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            (lambda s: {**s, "done": s["done"] + 1}, "its counts are not those of the ledger"),
            (lambda s: {**s, "parts": s["parts"][:-1]}, "lists 1 parts where the shard has 2"),
            (lambda s: {**s, "parts": [{}]}, "its list of parts is not readable"),
            (lambda s: {**s, "shard_sha256": "0" * 64}, "is about another shard file"),
            (lambda s: {**s, "format": 2}, "not a summary of format 1"),
            (lambda s: [s], "not a summary of format 1"),
        ],
    )
    def test_a_summary_that_is_not_true(self, tmp_path, change, complaint):
        store = synthetic().write(tmp_path)
        rewrite(store, run.summary("001"), change)
        with pytest.raises(DataError, match=f"results/001/summary.json: {complaint}"):
            merge(store)

    def test_a_summary_that_is_not_json(self, tmp_path):
        store = synthetic().write(tmp_path)
        store.put(run.summary("001"), b"{")
        with pytest.raises(DataError, match=r"results/001/summary\.json: not JSON"):
            merge(store)

    @pytest.mark.parametrize("line", [b"rubbish", b'{"case":"001"}', b"[]", b'{"case":"001","state":"fine","by":""}'])
    def test_a_line_that_is_none_of_ours(self, tmp_path, line):
        store = without_summary(synthetic().write(tmp_path), "001")
        key = run.ledger_part("001", 1)
        lines = store.get(key).splitlines()
        store.put(key, b"\n".join([lines[0], line, *lines[2:]]))
        with pytest.raises(DataError, match=r"results/001/cases/00001\.jsonl, line 2: not a ledger line"):
            merge(store)

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            (lambda lines: [*lines[:5], lines[0], *lines[6:]], r"line 6: case \d{3} is there twice"),
            (lambda lines: lines[:-1], "ends after 63 of 64 cases"),
            (lambda lines: [*lines, lines[0]], r"line 65: case \d{3} is there twice"),
            (lambda lines: [lines[1], lines[0], *lines[2:]], "its cases are not in the shard's order"),
        ],
    )
    def test_a_part_whose_cases_are_not_the_shards(self, tmp_path, change, complaint):
        store = without_summary(synthetic().write(tmp_path), "001")
        key = run.ledger_part("001", 0)
        store.put(key, b"".join(change(store.get(key).splitlines(keepends=True))))
        with pytest.raises(DataError, match=rf"results/001/cases/00000\.jsonl.*{complaint}"):
            merge(store)

    def test_a_case_of_another_shard(self, tmp_path):
        store = without_summary(synthetic().write(tmp_path), "001")
        theirs = store.get(run.ledger_part("002", 0))
        store.put(run.ledger_part("001", 0), theirs)
        with pytest.raises(DataError, match=r"line 1: case \d{3} is not in this shard"):
            merge(store)

    def test_a_part_in_the_place_of_another(self, tmp_path):
        store = without_summary(synthetic().write(tmp_path), "001")
        store.put(run.ledger_part("001", 1), store.get(run.ledger_part("001", 0)))
        with pytest.raises(DataError, match=r"00001\.jsonl, line 1: case \d{3} belongs to another part"):
            merge(store)

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            (lambda lines: [*lines[:2], lines[0]], r"line 3: case \d{3} is there twice"),
            (lambda lines: lines[1::-1], "its cases are not in the shard's order"),
            (lambda _: [b"rubbish"], "line 1: not a ledger line"),
        ],
    )
    def test_a_checkpoint_whose_cases_are_not_the_shards(self, tmp_path, change, complaint):
        with pytest.raises(DataError, match=rf"results/001/checkpoints/00001\.jsonl.*{complaint}"):
            merge(with_checkpoint(tmp_path, change))

    def test_a_part_too_many(self, tmp_path):
        store = without_summary(synthetic().write(tmp_path), "001")
        store.put(run.ledger_part("001", 9), b"")
        with pytest.raises(DataError, match=r"00009\.jsonl: the shard has only 2 parts"):
            merge(store)

    def test_a_record_whose_provenance_is_not_there(self, tmp_path):
        store = synthetic().write(tmp_path)
        for key in list(store.list("results/001/provenance/")):
            store.delete(key)
        with pytest.raises(DataError, match=r"results/001/: its ledger names provenance '[0-9a-f]{12}'"):
            merge(store)

    def test_a_provenance_whose_content_does_not_fit_its_name(self, tmp_path):
        store = synthetic(shards=1).write(tmp_path)
        (key,) = store.list("results/000/provenance/")
        store.put(key, store.get(key) + b" ")
        with pytest.raises(DataError, match="its content does not fit its name"):
            merge(store)

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"scores": (0.5, 0.5)}, "2 scores where the model has 3"),
            ({"scores": None}, "0 scores where the model has 3"),
            ({"label": (3,)}, "label 3 where the model has classes 0 to 2"),
            ({"label": (0, 1)}, "2 labels where the model gives each case exactly one"),
        ],
    )
    def test_a_result_that_does_not_fit_the_model(self, tmp_path, change, complaint):
        records = classification_records(5, 20)
        records[3] = replace(records[3], **change)
        with pytest.raises(DataError, match=f"case {records[3].case}: {complaint}"):
            merge(SyntheticRun(records, make_card(), 20, CLASSES).write(tmp_path))

    def test_counts_of_other_classes_than_the_models(self, tmp_path):
        segmentation = segmentation_run(tmp_path, 3, 5)
        records = [replace(each, counts={0: each.counts[1], 1: each.counts[1]}) for each in segmentation.records]
        with pytest.raises(DataError, match=r"counts of classes \[0, 1\] where the model has \[1\]"):
            merge(replace(segmentation, records=records).write(tmp_path))
