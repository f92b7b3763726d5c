"""The local engine runs what it knows and refuses everything else by its name."""

import copy
from typing import Any

import pytest

from workflows.local import UnsupportedError, read_plan
from workflows.retry import RETRY_EXPRESSION

KNOWN: dict[str, Any] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Workflow",
    "metadata": {"generateName": "x-"},
    "spec": {
        "entrypoint": "main",
        "parallelism": 2,
        "arguments": {"parameters": [{"name": "run", "value": "/runs/1"}]},
        "templates": [
            {
                "name": "main",
                "dag": {
                    "tasks": [
                        {"name": "split", "template": "split"},
                        {
                            "name": "infer",
                            "template": "infer",
                            "depends": "split",
                            "withParam": "{{tasks.split.outputs.parameters.ids}}",
                            "arguments": {"parameters": [{"name": "shard", "value": "{{item}}"}]},
                        },
                    ]
                },
            },
            {
                "name": "split",
                "container": {"image": "i", "command": ["python"], "args": ["{{workflow.parameters.run}}"]},
                "outputs": {"parameters": [{"name": "ids", "valueFrom": {"path": "/out/ids"}}]},
            },
            {
                "name": "infer",
                "inputs": {"parameters": [{"name": "shard"}]},
                "container": {"command": ["python"], "args": ["{{inputs.parameters.shard}}"], "resources": {}},
                "retryStrategy": {"limit": "3", "expression": RETRY_EXPRESSION, "backoff": {"duration": "1s"}},
            },
        ],
    },
}
MAIN, SPLIT, INFER = (["spec", "templates", number] for number in range(3))
SPLIT_TASK, INFER_TASK = ([*MAIN, "dag", "tasks", number] for number in range(2))


def test_what_it_knows():
    plan = read_plan(KNOWN)

    assert plan.parallelism == 2
    assert [(task.name, task.accepts) for task in plan.tasks] == [("split", {}), ("infer", {"split": {"Succeeded"}})]


@pytest.mark.parametrize(
    ("at", "key", "value", "message"),
    [
        ([], "kind", "CronWorkflow", "not a CronWorkflow"),
        (["spec"], "hooks", {}, "workflow spec: the local engine does not know hooks"),
        (["spec"], "onExit", "main", "workflow spec: the local engine does not know onExit"),
        (["spec"], "entrypoint", "mian", "entrypoint mian: there is no such template"),
        (["spec"], "entrypoint", "infer", "template infer: the local engine does not know"),
        (["spec", "arguments"], "artifacts", [], "workflow arguments: the local engine does not know artifacts"),
        (MAIN, "dag", {"tasks": [], "failFast": False}, "template main: the local engine does not know failFast"),
        (MAIN, "steps", [], "template main: the local engine does not know steps"),
        (SPLIT, "script", {}, "template split: the local engine does not know script"),
        (SPLIT, "suspend", {}, "template split: the local engine does not know suspend"),
        (SPLIT, "name", "infer", "two entries are named infer"),
        ([*SPLIT, "container"], "envFrom", [], "template split: container: the local engine does not know envFrom"),
        ([*SPLIT, "container"], "workingDir", "/", "container: the local engine does not know workingDir"),
        ([*SPLIT, "outputs"], "exitCode", "0", "template split: outputs: the local engine does not know exitCode"),
        (INFER, "inputs", {"parameters": [{"name": "shard"}, {"name": "b"}]}, "infer wants a value for b"),
        ([*SPLIT, "container"], "args", ["{{pod.name}}"], "does not know the expression {{pod.name}}"),
        ([*SPLIT, "container"], "args", ["{{=1 + 1}}"], "does not know the expression {{=1 + 1}}"),
        ([*SPLIT, "container"], "args", ["{{workflow.parameters.rnu}}"], "{{workflow.parameters.rnu}} has no value"),
        ([*SPLIT, "container"], "args", ["{{item}}"], "template split: {{item}} has no value here"),
        (SPLIT_TASK, "when", "true", "task split: the local engine does not know when"),
        (SPLIT_TASK, "template", "spilt", "task split: there is no container template spilt"),
        (SPLIT_TASK, "template", "main", "task split: there is no container template main"),
        (SPLIT_TASK, "depends", "infer", "tasks wait for each other: infer, split"),
        (INFER_TASK, "depends", "split && split.Failed", "does not know depends 'split && split.Failed'"),
        (INFER_TASK, "depends", "!split", "does not know depends '!split'"),
        (INFER_TASK, "depends", "split.AnySucceeded", "does not know depends 'split.AnySucceeded'"),
        (INFER_TASK, "depends", "gather", "task infer: depends on gather, which is not a task"),
        (INFER_TASK, "depends", None, "{{tasks.split.outputs.parameters.ids}} has no value here"),
        (INFER_TASK, "arguments", {}, "task infer: template infer wants a value for shard"),
        (INFER_TASK, "arguments", {"parameters": [{"name": "shrad", "value": "1"}]}, "wants a value for shard"),
        ([*INFER, "retryStrategy"], "expression", "true", "does not know the expression 'true'"),
        ([*INFER, "retryStrategy"], "retryPolicy", "OnError", "does not know retryPolicy OnError"),
        ([*INFER, "retryStrategy"], "nodes", 2, "retryStrategy: the local engine does not know nodes"),
        ([*INFER, "retryStrategy"], "backoff", {"cap": "1m"}, "backoff: the local engine does not know cap"),
        ([*INFER, "retryStrategy"], "backoff", {"duration": "1 week"}, "'1 week' is not a duration"),
    ],
)
def test_what_it_refuses(at, key, value, message):
    manifest = copy.deepcopy(KNOWN)
    place: Any = manifest
    for part in at:
        place = place[part]
    place[key] = value
    with pytest.raises(UnsupportedError) as refused:
        read_plan(manifest)

    assert message in str(refused.value)
