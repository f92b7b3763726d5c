"""How a Workflow object is read: what its steps are doing, and the exit code that its end means."""

import base64
import copy
import gzip
import json
from typing import Any

import pytest

from workflows.cluster.follow import doing, exit_code, shards_in_words
from workflows.cluster.nodes import pod_name, read_workflow
from workflows.cluster.waits import hopeless

NAME = "distributed-inference-3f9a1c"


def pod(number: str, template: str, phase: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"{NAME}-{number}",
        "type": "Pod",
        "templateName": template,
        "phase": phase,
        "progress": "0/1",
    } | fields


def retry(number: str, template: str, phase: str, children: list[str], **fields: Any) -> dict[str, Any]:
    node = pod(number, template, phase, children=[f"{NAME}-{child}" for child in children])
    return node | {"type": "Retry"} | fields


def shard(value: str) -> dict[str, Any]:
    return {"inputs": {"parameters": [{"name": "shard", "value": value}]}}


@pytest.fixture
def workflow() -> dict[str, Any]:
    """As Argo 3.7 writes it: a DAG, steps as Retry nodes over the pods of their attempts."""
    nodes = [
        {"id": NAME, "type": "DAG", "templateName": "main", "phase": "Running"},
        retry("1", "split", "Succeeded", ["2"], startedAt="2026-11-25T09:00:00Z", finishedAt="2026-11-25T09:00:12Z"),
        pod("2", "split", "Succeeded", outputs={"exitCode": "0"}, progress="1/1"),
        {"id": f"{NAME}-9", "type": "TaskGroup", "templateName": "infer", "phase": "Running"},
        retry("3", "infer", "Running", ["4", "5"], **shard("001")),
        pod("4", "infer", "Failed", outputs={"exitCode": "137"}, message="OOMKilled (exit code 137)"),
        pod("5", "infer", "Running", progress="30/120"),
        retry("6", "infer", "Running", ["7"], **shard("000")),
        pod("7", "infer", "Pending", message="Unschedulable: 0/1 nodes are available: 1 Insufficient cpu."),
    ]
    return {
        "metadata": {"name": NAME, "creationTimestamp": "2026-11-25T08:59:59Z"},
        "spec": {"arguments": {"parameters": [{"name": "run", "value": "s3://runs/1"}]}},
        "status": {"phase": "Running", "nodes": {node["id"]: node for node in nodes}},
    }


def test_shards_that_wait_for_their_turn_are_counted(workflow):
    assert shards_in_words(read_workflow(workflow)) == "0 of 2 ended, 1 at work, 1 waiting"
    ids = {"parameters": [{"name": "shard-ids", "value": '["000", "001", "002", "003"]'}]}
    workflow["status"]["nodes"][f"{NAME}-2"]["outputs"] |= ids
    assert shards_in_words(read_workflow(workflow)) == "0 of 4 ended, 1 at work, 3 waiting"


def test_steps_are_in_their_order_each_as_its_last_attempt_left_it(workflow):
    state = read_workflow(workflow)
    assert [(node.name, node.phase, node.attempts, node.progress) for node in state.nodes] == [
        ("split", "Succeeded", 1, None),
        ("infer 000", "Pending", 1, None),
        ("infer 001", "Running", 2, (30, 120)),
    ]
    assert [doing(node) for node in state.nodes] == [
        "done in 12 s",
        "waiting: Unschedulable: 0/1 nodes are available: 1 Insufficient cpu.",
        "running, attempt 2 after: OOMKilled (exit code 137)",
    ]
    assert state.nodes[2].pod == f"{NAME}-infer-5" == pod_name(NAME, workflow["status"]["nodes"][f"{NAME}-5"])


def test_between_two_attempts_a_step_waits_and_says_what_the_last_one_failed_of(workflow):
    del workflow["status"]["nodes"][f"{NAME}-5"]
    node = read_workflow(workflow).nodes[2]
    assert (node.state, node.attempts) == ("waiting", 1)
    assert doing(node) == "waiting: to be tried again after: OOMKilled (exit code 137)"


def test_nodes_that_argo_has_compressed_are_read_too(workflow):
    packed = copy.deepcopy(workflow)
    nodes = json.dumps(packed["status"].pop("nodes")).encode()
    packed["status"]["compressedNodes"] = base64.b64encode(gzip.compress(nodes)).decode()
    assert read_workflow(packed) == read_workflow(workflow)


def test_a_workflow_that_no_controller_has_seen_has_no_phase(workflow):
    del workflow["status"]
    state = read_workflow(workflow)
    assert (state.phase, list(state.nodes), state.finished) == ("", [], False)


@pytest.mark.parametrize(
    ("infer", "gather", "shutdown", "code"),
    [
        ("0", "0", "", 0),
        ("0", "1", "", 1),
        ("65", "1", "", 65),
        ("78", "65", "", 78),
        ("137", "1", "", 1),
        (None, "1", "", 1),
        ("143", "1", "Stop", 1),
    ],
)
def test_the_exit_code_is_that_of_the_step_that_says_most(workflow, infer, gather, shutdown, code):
    ends = {"infer": infer, "gather": gather}
    nodes = [
        pod(str(number), name, "Succeeded" if end == "0" else "Failed", outputs={"exitCode": end} if end else {})
        for number, (name, end) in enumerate(ends.items())
    ]
    workflow["status"] = {
        "phase": "Failed" if set(ends.values()) != {"0"} else "Succeeded",
        "nodes": {node["id"]: node for node in nodes},
    }
    workflow["spec"]["shutdown"] = shutdown
    assert exit_code(read_workflow(workflow)) == code


@pytest.mark.parametrize(
    ("message", "fix"),
    [
        ('ImagePullBackOff: Back-off pulling image "localhost/none/core:1"', "--image"),
        ('MountVolume.SetUp failed for volume "s3-ca" : secret "own-ca" not found', "make it"),
        ('CreateContainerConfigError: secret "x" not found', "make"),
        ('pods "p" is forbidden: error looking up service account a/b: serviceaccount "b" not found', "manifests/base"),
        ('pods "p" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=1, used: 4', None),
        ("Unschedulable: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.", None),
        ("Waiting for argo/ConfigMap/quota/gpu lock. Lock status: 0/4", None),
        ("PodInitializing", None),
    ],
)
def test_what_waiting_will_not_mend_has_a_fix_and_what_it_may_has_none(message, fix):
    found = hopeless(message)
    assert found is None if fix is None else fix in str(found)
