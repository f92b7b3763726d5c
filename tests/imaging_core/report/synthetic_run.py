"""Runs as split and infer would leave them, written by hand from the documented formats (no code of ours reads twice).

A run lies in ``folder/run``, its dataset in ``folder/data``, so that a test sees real files and real locations.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from imaging_core import run
from imaging_core.inference.ledger import Counts, Record, to_part
from imaging_core.models.card import Card
from imaging_core.store import Location, Store, open_store

COMPUTE_CLASS = {
    "device": "cpu",
    "instruction_set": "AVX2",
    "threads": 1,
    "precision": "fp32",
    "image": None,
    "libraries": {"torch": "2.15.0", "numpy": "2.4.6"},
}


def make_card(
    task: str = "classification",
    kind: str = "multiclass",
    classes: Sequence[str] = ("cat", "dog", "owl"),
    name: str = "model-a",
    **output: Any,
) -> Card:
    activation = "softmax" if kind == "multiclass" else "sigmoid"
    return Card.model_validate(
        {
            "name": name,
            "task": task,
            "architecture": {"name": "lenet5" if task == "classification" else "unet", "parameters": {}},
            "input": {"height": 32, "width": 32, "channels": 3},
            "batch": 4,
            "output": {"kind": kind, "activation": activation, "classes": list(classes), **output},
            "weights": {"sha256": "5" * 64},
        }
    )


@dataclass
class SyntheticRun:
    """What a run is made of; ``write`` puts it on the disk.

    Attributes:
        records: one per case of the split; their ``by`` is filled in when written.
        images: how many images the dataset lists; cases are some of them.
        names: case index to location below the dataset's folder.
        values: case index to the values of its features.
        compute_classes: per shard number, where it is not COMPUTE_CLASS.
        cards: per shard number, where it is not ``card``.
        unfinished: shard numbers without a summary, and how many of their parts are there.
    """

    records: Sequence[Record]
    card: Card
    images: int
    classes: Sequence[str] = ()
    shards: int = 1
    split: str = "test"
    policy: str = "balanced"
    name: str = "synthetic"
    names: Mapping[int, str] = field(default_factory=dict)
    labels: Mapping[int, Any] = field(default_factory=dict)
    features: Sequence[str] = ()
    values: Mapping[int, Sequence[Any]] = field(default_factory=dict)
    compute_classes: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    cards: Mapping[int, Card] = field(default_factory=dict)
    unfinished: Mapping[int, int] = field(default_factory=dict)
    deal: Callable[[list[Record], int], list[list[Record]]] | None = None
    timing: bool = True

    def write(self, folder: Path) -> Store:
        """Write the run to ``folder/run``."""
        store = open_store(Location.parse(str(folder / "run")))
        dealt = (self.deal or round_robin)(list(self.records), self.shards)
        entries = [
            self._write_shard(store, number, run.shard_id(number, len(dealt)), cases)
            for number, cases in enumerate(dealt)
        ]
        index = {
            "format": 1,
            "dataset": {
                "sha256": "d" * 64,
                "name": self.name,
                "description": "made by the tests",
                "task": self.card.task,
                "images": self.images,
                "classes": list(self.classes),
                "features": list(self.features),
            },
            "split": self.split,
            "policy": self.policy,
            "cost": "samples",
            "samples": len(self.records),
            "roots": ["../../data"],
            "http_hosts": [],
            "warnings": [],
            "shards": entries,
        }
        store.put(run.SHARD_INDEX, run.to_json(index))
        return store

    def _write_shard(self, store: Store, number: int, shard: str, cases: list[Record]) -> dict[str, Any]:
        indices = [int(record.case) for record in cases]
        images = []
        for index in indices:
            entry: dict[str, Any] = {"location": "../../data/" + self.names.get(index, f"images/{index}.png")}
            if index in self.labels:
                label = self.labels[index]
                entry["label"] = "../../data/" + label if isinstance(label, str) else label
            if index in self.values:
                entry["values"] = list(self.values[index])
            images.append(entry)
        document: dict[str, Any] = {"name": self.name, "description": "made by the tests"}
        if self.classes:
            document["classes"] = list(self.classes)
        if self.features:
            document["features"] = list(self.features)
        document |= {
            "images": images,
            "split": {self.split: list(range(len(images)))},
            "source": {"sha256": "d" * 64, "images": self.images, "indices": indices},
        }
        if self.policy == "reference":
            document["policy"] = "reference"
        data = yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True).encode()
        store.put(run.shard_file(shard), data)
        sha256 = hashlib.sha256(data).hexdigest()
        self._write_results(store, number, shard, sha256, cases)
        return {"id": shard, "samples": len(cases), "cost": len(cases), "sha256": sha256}

    def _write_results(self, store: Store, number: int, shard: str, sha256: str, cases: list[Record]) -> None:
        card = self.cards.get(number, self.card)
        card_data = run.to_json(card.model_dump(mode="json"))
        provenance = run.to_json(
            {
                "format": 1,
                "model": {
                    "sha256": hashlib.sha256(card_data).hexdigest(),
                    "card": json.loads(card_data),
                },
                "code": "0.1.0",
                "compute_class": dict(self.compute_classes.get(number, COMPUTE_CLASS)),
            }
        )
        digest = hashlib.sha256(provenance).hexdigest()[:12]
        records = [replace(record, by=digest) for record in cases]
        parts = [
            to_part(records[start : start + run.FORMER_CASES_PER_PART])
            for start in range(0, len(records), run.FORMER_CASES_PER_PART)
        ]
        there = self.unfinished.get(number, len(parts))
        if there:
            store.put(run.provenance(shard, digest), provenance)
        for part in reversed(range(there)):
            store.put(run.ledger_part(shard, part), parts[part])
        if number in self.unfinished:
            return
        states = [record.state for record in records]
        summary = {
            "format": 1,
            "shard": shard,
            "shard_sha256": sha256,
            "samples": len(records),
            **{state: states.count(state) for state in ("done", "failed", "skipped")},
            "temporary": sum(record.temporary for record in records),
            "parts": [
                {"part": part, "cases": data.count(b"\n"), "sha256": hashlib.sha256(data).hexdigest()}
                for part, data in enumerate(parts)
            ],
            "provenance": [digest] if records else [],
        }
        store.put(run.summary(shard), run.to_json(summary))
        if self.timing:
            store.put(run.timing(shard), run.to_json(make_timing(number, len(records))))


def make_timing(number: int, cases: int) -> dict[str, Any]:
    """Shard 3 is the slow one."""
    seconds = (9.5 if number == 3 else 4.0) + 0.37 * (number % 5) + 0.004 * cases
    return {
        "format": 1,
        "started": f"2026-11-24T02:{10 + number % 40:02d}:07Z",
        "seconds": round(seconds, 3),
        "cases": cases,
        "cases_per_second": round(cases / seconds, 3),
        "host": f"node-{number % 2}",
        "device": "cpu",
        "threads": 1,
        "stages": {"decode": {"busy_seconds": seconds / 3, "wait_seconds": seconds / 2}},
    }


def round_robin(records: list[Record], shards: int) -> list[list[Record]]:
    """Neighbouring cases in different shards."""
    return [records[number::shards] for number in range(min(shards, max(len(records), 1)))]


def case_indices(n: int, images: int, seed: int = 0) -> list[int]:
    """The indices of a split of ``n`` among ``images``, ascending."""
    return sorted(int(i) for i in np.random.default_rng(seed).choice(images, n, replace=False))


def classification_records(
    n: int, images: int, classes: int = 3, seed: int = 0, kind: str = "multiclass", failing: float = 0.0
) -> list[Record]:
    """Scores that are mostly right; a share of cases that cannot be read."""
    generator = np.random.default_rng(seed)
    records = []
    for index in case_indices(n, images, seed):
        case = run.case_id(index, images)
        if generator.random() < failing:
            records.append(Record(case, "failed", "", kind="unreadable", reason="the JPEG ends too early"))
            continue
        if kind == "multilabel":
            truth = tuple(k for k in range(classes) if generator.random() < 0.4)
            scores = [0.45 * (k in truth) + 0.55 * generator.random() for k in range(classes)]
        elif kind == "binary":
            truth = (int(generator.integers(0, 2)),)
            scores = [0.3 * truth[0] + 0.7 * generator.random()]
        else:
            truth = (int(generator.integers(0, classes)),)
            weights = generator.random(classes) ** 2
            weights[truth[0]] += 1.2 * generator.random()
            scores = list(weights / weights.sum())
        rounded = tuple(round(float(score), 3) for score in scores)
        records.append(Record(case, "done", "", size=(32, 32), inputs=1, label=truth, scores=rounded))
    return records


def write_pictures(synthetic: SyntheticRun, folder: Path) -> None:
    """Small grey pictures of all cases, where the run's names say."""
    for record in synthetic.records:
        index = int(record.case)
        place = folder / "data" / synthetic.names.get(index, f"images/{index}.png")
        place.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(index).integers(0, 256, (20, 16), dtype=np.uint8)
        Image.fromarray(pixels).save(place)


def blobs(seed: int, size: tuple[int, int] = (180, 240)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture of one dark spot on a light ground, its true mask, and a mask that misses it a little."""
    generator = np.random.default_rng(seed)
    height, width = size
    rows, columns = np.mgrid[0:height, 0:width]
    angle = np.arctan2(rows - height / 2, columns - width / 2)
    distance = np.hypot(rows - height / 2, columns - width / 2)
    radius = 45 + 12 * np.sin(3 * angle + generator.random() * 6) + 6 * np.sin(7 * angle + generator.random() * 6)
    truth = distance < radius
    shift = generator.integers(-14, 15, 2)
    predicted = np.roll(truth, shift.tolist(), axis=(0, 1))
    ground = np.array([222, 178, 150]) + generator.normal(0, 6, (height, width, 1))
    spot = np.array([110, 66, 50]) + generator.normal(0, 14, (height, width, 1))
    soft = np.clip((radius - distance) / 14 + 0.5, 0, 1)[..., np.newaxis]
    return np.clip(ground * (1 - soft) + spot * soft, 0, 255).astype(np.uint8), truth, predicted


def confusion(truth: np.ndarray, predicted: np.ndarray) -> Counts:
    """The four counts of two masks."""
    cells = (truth & predicted, ~truth & predicted, truth & ~predicted, ~truth & ~predicted)
    return Counts(*(int(np.count_nonzero(cell)) for cell in cells))


def segmentation_run(folder: Path, n: int = 30, images: int = 50, **changes: Any) -> SyntheticRun:
    """Writes pictures, ground truth and predicted masks; gives the run, not yet written."""
    records, labels = [], {}
    for name in ("data/images", "data/masks", "run/outputs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for index in case_indices(n, images):
        case = run.case_id(index, images)
        pixels, truth, predicted = blobs(index)
        Image.fromarray(pixels).save(folder / f"data/images/{index}.png")
        Image.fromarray(truth.astype(np.uint8) * 255).save(folder / f"data/masks/{index}.png")
        key = run.output(case, "png")
        Image.fromarray(predicted.astype(np.uint8) * 255).save(folder / "run" / key)
        labels[index] = f"masks/{index}.png"
        small = [mask[::2, ::2] for mask in (truth, predicted)]
        records.append(
            Record(
                case,
                "done",
                "",
                size=truth.shape,
                inputs=1,
                counts={1: confusion(truth, predicted)},
                deephealth=(int((small[0] & small[1]).sum()), int((small[0] | small[1]).sum())),
                outputs={"mask": key},
            )
        )
    card = make_card("segmentation", "binary", ["lesion"], name="unet-small")
    return replace(SyntheticRun(records, card, images, labels=labels), **changes)
