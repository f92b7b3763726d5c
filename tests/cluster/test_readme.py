"""The two commands of the README that install the platform and run the demo, typed as they stand there."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from examples.digits.demo import LEAST_ACCURACY
from imaging_core.store import Location, open_store
from tests.cluster.conftest import BUCKET, PROJECT, Cluster

NAMESPACE = "imaging"


def commands() -> list[str]:
    """Those of the section's first block."""
    section = (PROJECT / "README.md").read_text().split("### On a cluster\n")[1]
    block = re.search(r"(?:^    .*\n)+", section, re.MULTILINE)
    assert block
    return [line.strip() for line in block[0].replace("\\\n", " ").splitlines()]


@dataclass
class Terminal:
    """A shell of somebody who has run ``make demo``, with access to a cluster and a bucket by the usual variables."""

    folder: Path
    environment: dict[str, str]

    def type(self, command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["bash", "-c", command], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=580
        )


@pytest.fixture(scope="module")
def terminal(cluster: Cluster, demo: Path) -> Iterator[Terminal]:
    own = {name: value for name, value in cluster.environment.items() if not name.startswith("ARGO_")}
    own |= {"IMAGES": cluster.images, "BUCKET": f"{BUCKET}/{cluster.prefix}", "PYTHONPATH": str(PROJECT)}
    own["PATH"] = f"{Path(sys.executable).parent}:{own['PATH']}"
    there = cluster.kubectl("get", "namespaces", "-o", "name").split()
    assert f"namespace/{NAMESPACE}" not in there, "of another: the README's commands would install into it"
    try:
        yield Terminal(demo.parents[1], own)
    finally:
        cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")


def test_two_commands_install_the_platform_and_run_the_demo_from_the_template(terminal, cluster):
    install, submit = commands()
    said = terminal.type(install)
    assert said.returncode == 0, said.stderr
    assert "WorkflowTemplate distributed-inference" in said.stdout
    said = terminal.type(submit)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "Complete: 359 of 359 cases done" in said.stdout
    (workflow,) = json.loads(cluster.kubectl("-n", NAMESPACE, "get", "workflows", "-o", "json"))["items"]
    assert workflow["spec"]["workflowTemplateRef"] == {"name": "distributed-inference"}

    run = f"s3://{terminal.environment['BUCKET']}/runs/demo"
    store = open_store(Location.parse(run))
    metrics = json.loads(store.get("report/metrics.json"))
    assert (metrics["cases"]["done"], metrics["cases"]["failed"]) == (359, 0)
    accuracy = metrics["metrics"]["accuracy"]["mean"]
    assert accuracy >= LEAST_ACCURACY
    here = json.loads((terminal.folder / "build/demo/run/report/metrics.json").read_text())
    assert accuracy == pytest.approx(here["metrics"]["accuracy"]["mean"], abs=0.005), "the demo's, on this machine"
    assert re.search(rf"Report: \S*{cluster.prefix}/runs/demo/report/report.html", said.stdout)
    assert b"<html" in store.get("report/report.html")
    assert store.exists("report/ui/index.html"), "what Argo's UI shows"


def test_typed_again_they_change_nothing_and_infer_nothing_anew(terminal, cluster):
    install, submit = commands()
    said = terminal.type(install)
    assert said.returncode == 0, said.stderr
    assert "Nothing changed" in said.stdout
    store = open_store(Location.parse(f"s3://{terminal.environment['BUCKET']}/runs/demo"))
    timings = {key: store.get(key) for key in store.list() if key.endswith("timing.json")}
    said = terminal.type(submit)
    assert said.returncode == 0, said.stdout + said.stderr
    assert timings
    assert {key: store.get(key) for key in timings} == timings, "a run of a template goes on, and nothing was left"
