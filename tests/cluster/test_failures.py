"""What goes wrong in one run: pods that vanish, memory that is not there, images that are damaged, a stop."""

import json
from pathlib import Path

import pytest

from imaging_core.store import Location, open_store
from tests.cluster.conftest import Cluster

SLOW = "120m"  # of a CPU: so that what is done to a pod is done in the middle of its work
KILL = """
import os, signal
for process in filter(str.isdigit, os.listdir("/proc")):
    try:
        command = open(f"/proc/{process}/cmdline", "rb").read()
    except OSError:
        continue
    if b"steps.infer" in command and b"argoexec" not in command:
        os.kill(int(process), signal.SIGKILL)
"""


def running_pod(cluster: Cluster, workflow: str) -> str:
    return str(cluster.wait_for(lambda: cluster.pods(workflow, "infer", "Running"))[0])


def test_a_pod_that_is_deleted_is_made_anew(cluster, digits, undisturbed):
    workflow = cluster.submit("deleted", "--cpu", SLOW)
    pod = running_pod(cluster, workflow)
    before = unique(cluster, pod)
    cluster.kubectl("delete", "pod", pod, "--grace-period=0", "--force")
    said = cluster.ended(workflow)
    assert said.returncode == 0, said.stdout
    assert cluster.compared("deleted") == undisturbed
    after = [unique(cluster, each) for each in cluster.pods(workflow, "infer")]
    assert len(after) == 2, "one for each shard: under the old name when Argo had not seen it run, else under a new one"
    assert before not in after


def test_a_process_that_is_killed_is_begun_anew(cluster, digits, undisturbed):
    workflow = cluster.submit("killed", "--cpu", SLOW)
    cluster.kubectl("exec", running_pod(cluster, workflow), "-c", "main", "--", "python", "-c", KILL)
    said = cluster.ended(workflow)
    assert said.returncode == 0, said.stdout
    assert cluster.compared("killed") == undisturbed
    assert len(cluster.steps(workflow, "infer")) == 3, "of two shards"


def unique(cluster: Cluster, pod: str) -> str:
    return cluster.kubectl("get", "pod", pod, "-o", "jsonpath={.metadata.uid}")


def test_too_little_memory_is_said_and_resume_with_more_does_the_rest(cluster, digits, undisturbed):
    workflow = cluster.submit("memory", "--memory", "150Mi")

    def out_of_memory() -> bool:
        return any("OOMKilled" in str(node.get("message")) for node in cluster.steps(workflow, "infer"))

    assert cluster.wait_for(out_of_memory)
    assert "OOMKilled" in cluster.call("status", workflow).stdout
    assert cluster.call("terminate", workflow).returncode == 0
    ended = cluster.ended(workflow)
    assert ended.returncode == 1
    resumed = cluster.call("resume", workflow, "--memory", "1500Mi", "--no-check", "--wait", "--json", api="kubernetes")
    assert resumed.returncode == 0, resumed.stderr
    assert cluster.compared("memory") == undisturbed


def test_a_stopped_run_is_resumed_by_the_name_of_its_workflow(cluster, digits, undisturbed):
    workflow = cluster.submit("stopped", api="kubernetes")
    running_pod(cluster, workflow)
    refused = cluster.call("resume", workflow, "--no-check")
    assert refused.returncode == 64
    assert f"workflow {workflow} is at work on it; watch it, or stop it first" in refused.stderr
    stopped = cluster.call("stop", workflow, api="kubernetes")
    assert f"resume {workflow} -n {cluster.namespace}" in stopped.stdout
    ended = cluster.call("watch", workflow, "--quiet", "--timeout", "300")
    assert ended.returncode == 1
    assert f"Workflow {workflow} was stopped." in ended.stdout
    resumed = cluster.call("resume", workflow, "--no-check", "--watch")
    assert resumed.returncode == 0, resumed.stderr
    assert cluster.compared("stopped") == undisturbed


@pytest.fixture(scope="module")
def damaged(cluster, digits, tmp_path_factory) -> str:
    """The digits with one test image cut short."""
    dataset, model = cluster.inputs["digits"]
    source, target = (Location.parse(where).parent for where in (dataset, dataset.replace("/digits/", "/damaged/")))
    index = json.loads(cluster.store("undisturbed").get("shards/index.json"))
    assert index["shards"]
    there, new = open_store(source), open_store(target)
    first = min(key for key in there.list("images/") if _is_test(cluster, key))
    for key in there.list():
        data = there.get(key)
        new.put(key, data[: len(data) // 2] if key == first else data)
    cluster.inputs["damaged"] = (str(target.join("digits.yml")), model)
    return "damaged"


def _is_test(cluster: Cluster, key: str) -> bool:
    table = cluster.store("undisturbed").get("report/predictions.csv").decode()
    return Path(key).name in table


def test_a_damaged_image_is_one_failed_case_and_whether_that_is_acceptable_is_said(cluster, undisturbed, damaged):
    strict = cluster.submit("strict", dataset=damaged)
    lenient = cluster.submit("lenient", "--max-failed", "1", dataset=damaged)
    refused, accepted = cluster.ended(strict), cluster.ended(lenient)
    assert (refused.returncode, accepted.returncode) == (1, 0)
    for said in map(json.loads, (refused.stdout, accepted.stdout)):
        assert (said["metrics"]["cases"]["done"], said["metrics"]["failed_by_kind"]) == (358, {"unreadable": 1})
        assert said["metrics"]["complete"]
    status = cluster.call("status", strict)
    assert "gather     failed with exit code 1 (not acceptable)" in status.stdout
    gathers = cluster.steps(strict, "gather")
    assert len(gathers) == 1, "what is not acceptable is not tried again"
    outputs = {each["name"]: each.get("value") for each in gathers[0]["outputs"]["parameters"]}
    assert (outputs["done"], outputs["failed"]) == ("358", "1")
