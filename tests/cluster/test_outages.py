"""What goes wrong with the cluster: controller, store or GPUs are away for a while. Not to be run beside others."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from tests.cluster.conftest import Cluster

AWAY_SECONDS = 30


@contextmanager
def controller_away(cluster: Cluster) -> Iterator[None]:
    scale = ("-n", "argo", "scale", "deployment", "workflow-controller")
    cluster.kubectl(*scale, "--replicas=0")
    try:
        yield
    finally:
        cluster.kubectl(*scale, "--replicas=1")


@contextmanager
def store_away(cluster: Cluster) -> Iterator[None]:
    """The service finds no pod: connections are refused. Its data stays, which a restart would lose here."""
    patch = '{"spec": {"selector": {"app": "%s"}}}'
    cluster.kubectl("-n", "argo", "patch", "service", "minio", "-p", patch % "away")
    try:
        yield
    finally:
        cluster.kubectl("-n", "argo", "patch", "service", "minio", "-p", patch % "minio")


@pytest.mark.parametrize("away", [controller_away, store_away])
def test_an_outage_of_half_a_minute_changes_no_byte(cluster, digits, undisturbed, away):
    name = away.__name__.replace("_", "-")
    workflow = cluster.submit(name)
    watching = cluster.start("watch", workflow)
    cluster.wait_for(lambda: cluster.pods(workflow, "infer", "Running"))
    with away(cluster):
        impatient = cluster.start("watch", workflow, "--timeout", str(AWAY_SECONDS))
        impatient.communicate(timeout=2 * AWAY_SECONDS)
        assert impatient.returncode == 75
    stdout, stderr = watching.communicate(timeout=500)
    assert watching.returncode == 0, stderr
    assert "Complete: 359 of 359 cases done" in stdout
    assert cluster.compared(name) == undisturbed


def test_a_workflow_that_no_controller_has_seen_says_so(cluster, digits):
    with controller_away(cluster):
        workflow = cluster.submit("unseen", api="kubernetes")
        said = cluster.call("watch", workflow, "--timeout", "8", api="kubernetes")
        assert said.returncode == 75
        assert "waiting for Argo's controller" in said.stderr
        assert (
            f"workflow {workflow}: has not ended after 8 s (Argo's controller has not looked at it yet)" in said.stderr
        )
        assert cluster.call("delete", workflow).returncode == 0


def test_too_few_gpus_are_waited_for_and_named_meanwhile(cluster, digits, undisturbed):
    """Pretended ones: they are scheduled and counted, and the step finds none and computes on the CPU."""
    workflow = cluster.submit("gpus", "--gpus-per-step", "1")
    wanted = "Insufficient nvidia.com/gpu"
    assert cluster.wait_for(lambda: wanted in cluster.call("status", workflow).stdout)
    node = cluster.kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
    patch = ("patch", "node", node, "--subresource=status", "--type=merge", "-p")
    sizes = '{"status": {"capacity": {"nvidia.com/gpu": %s}, "allocatable": {"nvidia.com/gpu": %s}}}'
    cluster.kubectl(*patch, sizes % ('"1"', '"1"'))
    try:
        said = cluster.ended(workflow)
    finally:
        cluster.kubectl(*patch, sizes % ("null", "null"))
    assert said.returncode == 0, said.stdout
    assert cluster.compared("gpus") == undisturbed
    pods = json.loads(cluster.kubectl("get", "pods", "-l", f"workflows.argoproj.io/workflow={workflow}", "-o", "json"))
    held = sum(seconds(pod) for pod in pods["items"] if "-infer-" in pod["metadata"]["name"])
    assert held / 2 < cluster.metrics()["gpu_seconds"] <= held + 1, "not the time of waiting for a GPU"


def seconds(pod: dict[str, Any]) -> float:
    """How long its main container ran, to the second."""
    (main,) = (each for each in pod["status"]["containerStatuses"] if each["name"] == "main")
    ended = main["state"]["terminated"]
    began, finished = (datetime.fromisoformat(ended[each]) for each in ("startedAt", "finishedAt"))
    return (finished - began).total_seconds()
