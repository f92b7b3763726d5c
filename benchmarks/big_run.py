"""Makes a big run as split and infer leave it, without images and without a model: cases are drawn at random."""

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from imaging_core import __version__, run
from imaging_core.dataset.index import case_ids, read_index, read_shard
from imaging_core.inference.ledger import Counts, Record, to_part
from imaging_core.inference.recorder import write_summary
from imaging_core.inference.resume import ShardLedger
from imaging_core.inference.shortest import shortest
from imaging_core.metrics.provenance import DIGEST_LENGTH
from imaging_core.models.card import make_card
from imaging_core.store import Location, open_store

CLASSES = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
PATIENTS = 4
"""Cases of each."""
SIDE = 512

Task = Literal["classification", "segmentation"]
Records = Iterator[Record]


@dataclass(frozen=True, slots=True)
class BigRun:
    """What to make.

    Attributes:
        task: classification of one of eight classes, or segmentation into one.
        cases: how many.
        shards: how many.
        features: whether each case has a patient and a sex.
    """

    task: Task
    cases: int
    shards: int
    features: bool

    def make(self, folder: Path) -> Path:
        """Make it below the folder; returns the run's prefix."""
        dataset, prefix = folder / "dataset.yml", folder / "run"
        dataset.write_text(self._dataset())
        split = [sys.executable, "-m", "steps.split_yaml", "--dataset", str(dataset), "--split", "test"]
        subprocess.run(
            [*split, "--shards", str(self.shards), "--run", str(prefix)], check=True, stdout=subprocess.DEVNULL
        )
        with ProcessPoolExecutor() as pool:
            entries = read_index(open_store(Location.parse(str(prefix)))).shards
            infer = partial(_infer, str(prefix), self.task)
            for _ in pool.map(
                infer, [entry.id for entry in entries], [entry.sha256 for entry in entries], chunksize=10
            ):
                pass
        return prefix

    def _dataset(self) -> str:
        truth = self.task == "segmentation"
        lines = ["name: big"]
        lines += [] if truth else [f"classes: [{', '.join(CLASSES)}]"]
        lines += ["features: [patient, sex]"] if self.features else []
        lines.append("images:")
        for case in range(self.cases):
            label = f"truth/{case:07}.png" if truth else CLASSES[case % len(CLASSES)]
            lines += [f"  - location: images/{case:07}.jpg", f"    label: {label}"]
            if self.features:
                lines.append(f"    values: [p{case // PATIENTS}, {'fm'[case // PATIENTS % 2]}]")
        lines += ["split:", "  test:", *(f"    - {case}" for case in range(self.cases))]
        return "\n".join(lines) + "\n"


def _infer(prefix: str, task: Task, shard: str, sha256: str) -> None:
    """Write the results of one shard."""
    store = open_store(Location.parse(prefix))
    cases = case_ids(read_shard(store, shard))
    data = _provenance(task)
    by = hashlib.sha256(data).hexdigest()[:DIGEST_LENGTH]
    store.put(run.provenance(shard, by), data)
    make: Callable[[list[str], str, np.random.Generator], Records] = (
        _classified if task == "classification" else _segmented
    )
    records = list(make(cases, by, np.random.default_rng(int(shard))))
    ledger = ShardLedger(store, shard, cases, read_index(store).parts(len(cases)))
    for part in ledger.parts.numbers:
        members = ledger.parts.positions(part)
        store.put(run.ledger_part(shard, part), to_part(records[position] for position in members))
    write_summary(ledger, sha256)


def _provenance(task: Task) -> bytes:
    """Of a model that never was."""
    masks = task == "segmentation"
    card: dict[str, Any] = {
        "name": "big",
        "task": task,
        "architecture": {"name": "unet" if masks else "lenet5", "parameters": {}},
        "input": {"height": 32, "width": 32, "channels": 3},
        "batch": 16,
        "output": {
            "kind": "binary" if masks else "multiclass",
            "activation": "sigmoid" if masks else "softmax",
            "classes": ["lesion"] if masks else list(CLASSES),
        },
        "weights": {"sha256": "0" * 64},
    }
    machine = {"device": "cpu", "instruction_set": "AVX2", "threads": 1, "precision": "fp32", "image": "none"}
    plain = make_card(card, "benchmark").model_dump(mode="json")
    model = {"sha256": "0" * 64, "card": plain}
    return run.to_json({"format": 1, "model": model, "code": __version__, "compute_class": machine})


def _classified(cases: list[str], by: str, generator: np.random.Generator) -> Records:
    """Softmax scores as the ledger writes them, mostly right."""
    labels = np.array([int(case) % len(CLASSES) for case in cases])
    logits = generator.normal(0, 1.5, (len(cases), len(CLASSES)))
    logits[np.arange(len(cases)), labels] += 3
    weights = np.exp(logits)
    scores = shortest((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))
    for case, label, row in zip(cases, labels.tolist(), scores.tolist(), strict=True):
        yield Record(case, "done", by, size=(SIDE, SIDE), inputs=1, label=(label,), scores=tuple(row))


def _segmented(cases: list[str], by: str, generator: np.random.Generator) -> Records:
    """Areas that overlap by four fifths or so."""
    true = generator.integers(SIDE, SIDE * SIDE // 2, len(cases))
    tp = (true * generator.beta(8, 2, len(cases))).astype(np.int64)
    fp = (true * generator.beta(2, 10, len(cases))).astype(np.int64)
    small = (tp // 16, (true + fp) // 16)
    rows = np.stack([tp, fp, true - tp, SIDE * SIDE - true - fp, *small], axis=1).tolist()
    for case, row in zip(cases, rows, strict=True):
        yield Record(
            case,
            "done",
            by,
            size=(SIDE, SIDE),
            inputs=1,
            counts={1: Counts(*row[:4])},
            deephealth=(row[4], row[5]),
            outputs={"mask": run.output(case, "png")},
        )
