"""Runs as steps leave them, written by hand: what the command line reads of them."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from imaging_core import run
from imaging_core.inference.ledger import Record, to_part
from imaging_core.store import Location, open_store
from tests.workflows.argo_schemas import CLUSTER
from workflows.parameters import Parameters
from workflows.run_record import RunRecord


@dataclass
class WrittenRun:
    """A run's folder, filled file by file."""

    folder: Path

    def __post_init__(self) -> None:
        self.store = open_store(Location.parse(str(self.folder)))

    def begin(self, **parameters: Any) -> None:
        values = {"dataset": "/data/x.yml", "model": "/models/m", "shards": 3, "parallelism": 1} | parameters
        RunRecord.now(Parameters(run=str(self.folder), **values), "d" * 64, "e" * 64).write(self.store)

    def split(self, samples: Mapping[str, int]) -> None:
        dataset = {"sha256": "d" * 64, "name": "x", "description": "", "task": "segmentation"}
        index = {
            "format": 1,
            "dataset": dataset | {"images": sum(samples.values()), "classes": [], "features": []},
            "split": "test",
            "policy": "balanced",
            "cost": "samples",
            "samples": sum(samples.values()),
            "roots": [".."],
            "http_hosts": [],
            "warnings": [],
            "shards": [{"id": k, "samples": n, "cost": n, "sha256": "0" * 64} for k, n in samples.items()],
        }
        self.store.put(run.SHARD_INDEX, run.to_json(index))

    def part(self, shard: str, records: Sequence[Record]) -> None:
        self.store.put(run.ledger_part(shard, 0), to_part(records))

    def complete(self, shard: str, **counts: int) -> None:
        counts = {"samples": 0, "done": 0, "failed": 0, "skipped": 0, "temporary": 0} | counts
        counts["samples"] = counts["samples"] or counts["done"] + counts["failed"] + counts["skipped"]
        values = {"format": 1, "shard": shard, "shard_sha256": "0" * 64, "parts": [], "provenance": []}
        self.store.put(run.summary(shard), run.to_json(values | counts))

    def report(self, **values: Any) -> None:
        cases = {"expected": 10, "done": 10, "failed": 0, "skipped": 0, "missing": 0, "scored": 10}
        metrics = {
            "format": 1,
            "task": "segmentation",
            "kind": "binary",
            "classes": ["lesion"],
            "complete": True,
            "acceptable": True,
            "policy": "balanced",
            "split": "test",
            "dataset": {"sha256": "d" * 64, "name": "x", "images": 10},
            "model": None,
            "failed_by_kind": {},
            "compute_classes": [{}],
            "metrics": {"iou": {"mean": 0.75, "pooled": 0.8125, "macro": None}},
            "per_class": [],
        } | values
        metrics["cases"] = cases | metrics.get("cases", {})
        self.store.put(run.METRICS, run.to_json(metrics))


@pytest.fixture
def written(tmp_path: Path) -> WrittenRun:
    return WrittenRun(tmp_path / "my run")


@pytest.fixture
def tool(request: pytest.FixtureRequest) -> str:
    """The path of a program that the development cluster's build makes."""
    folder = os.environ.get("CLUSTER_BIN", str(CLUSTER / "bin"))
    found = shutil.which(request.param, path=os.pathsep.join([folder, os.environ["PATH"]]))
    if found is None:
        pytest.skip(f"{request.param} is neither in {folder} nor on PATH; ../shared/cluster/build makes it")
    return found
