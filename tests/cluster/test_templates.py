"""Runs that nobody submitted from a command line: by a form, by an event, by new files in a bucket."""

import json
import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from imaging_core.store import Location, open_store
from tests.cluster.conftest import BUCKET, POD_ENDPOINT, POD_SIZE, PROJECT, SECRET, Cluster
from workflows.cluster.nodes import ENDED
from workflows.distributed_inference import NAME

TRIGGERS = PROJECT / "manifests" / "triggers"
EVENTS = f"{NAME}-events"


@pytest.fixture(scope="module")
def templates(cluster: Cluster) -> Cluster:
    """A namespace with the templates, rendered for the development cluster."""
    command = [sys.executable, "-m", "workflows.templates", "render", "--image", cluster.images, "--s3-secret", SECRET]
    command += ["--pod-s3-endpoint", POD_ENDPOINT, "--runs", cluster.run("forms"), *POD_SIZE]
    rendered = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    cluster.kubectl("apply", "--dry-run=server", "-k", str(PROJECT / "manifests/base/templates"))
    cluster.kubectl("apply", "-f", "-", stdin=rendered)
    limits = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "distributed-inference-limits"}}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(limits | {"data": {"infer": "2"}}))
    return cluster


def asked(cluster: Cluster, path: str, body: str, authorization: str | None = None) -> tuple[int, Any]:
    """The Argo Server's answer to a POST."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    headers = {"Authorization": authorization or os.environ["ARGO_TOKEN"], "Content-Type": "application/json"}
    url = f"https://{os.environ['ARGO_SERVER']}/api/v1/{path}"
    try:
        request = urllib.request.Request(url, body.encode(), headers)
        with urllib.request.urlopen(request, context=context) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def filled_in(cluster: Cluster, template: str, fields: Mapping[str, str]) -> str:
    """Submit as the form of Argo's UI does, every field of it; the workflow's name."""
    object_ = json.loads(cluster.kubectl("get", "workflowtemplate", template, "-o", "json"))
    values = {each["name"]: each.get("value", "") for each in object_["spec"]["arguments"]["parameters"]}
    parameters = [f"{name}={value}" for name, value in (values | dict(fields)).items()]
    body = {"resourceKind": "WorkflowTemplate", "resourceName": template, "submitOptions": {"parameters": parameters}}
    status, answer = asked(cluster, f"workflows/{cluster.namespace}/submit", json.dumps(body))
    assert status == 200, answer
    return str(answer["metadata"]["name"])


def succeeded(cluster: Cluster, workflow: str) -> dict[str, Any]:
    """The workflow once it has ended; it must have succeeded."""
    ended = cluster.wait_for(
        lambda: next((each for each in [cluster.workflow(workflow)] if _phase(each) in ENDED), None)
    )
    failures = [node.get("message") for node in ended["status"].get("nodes", {}).values() if node["phase"] == "Failed"]
    assert _phase(ended) == "Succeeded", failures
    return dict(ended)


def _phase(workflow: Mapping[str, Any]) -> str:
    return str(workflow.get("status", {}).get("phase", ""))


@pytest.fixture(scope="module")
def inferred(templates: Cluster, digits: tuple[str, str]) -> str:
    """The workflow of a form with no more than two fields filled in."""
    dataset, model = digits
    workflow = filled_in(templates, NAME, {"dataset": dataset, "model": model, "shards": "2"})
    succeeded(templates, workflow)
    return workflow


def test_a_form_gives_the_bytes_of_a_submitted_run(templates, inferred, undisturbed):
    """Shards name images relative to themselves, and this run lies a folder deeper: they, and their digests, differ."""

    def results(found: Mapping[str, bytes]) -> dict[str, bytes]:
        return {key: data for key, data in found.items() if not key.startswith("shards/") and "/summary" not in key}

    assert len(results(undisturbed)) > 5
    assert results(templates.compared(f"forms/{inferred}")) == results(undisturbed)


def test_the_command_line_knows_a_run_that_a_form_began(templates, inferred):
    listed = json.loads(templates.call("list", "--json").stdout)["workflows"]
    assert templates.run(f"forms/{inferred}") in [each["run"] for each in listed]
    said = templates.call("watch", inferred, "--quiet")
    assert said.returncode == 0, said.stderr
    assert "Complete: 359 of 359 cases done" in said.stdout
    (gather,) = templates.steps(inferred, "gather")
    artifacts = {each["name"]: each["s3"] for each in gather["outputs"]["artifacts"]}
    assert artifacts["report"]["bucket"] == BUCKET
    assert templates.store(f"forms/{inferred}").exists("report/ui/index.html")


def test_a_required_field_that_is_left_out_starts_nothing(templates, digits):
    body = {"resourceKind": "WorkflowTemplate", "resourceName": NAME, "submitOptions": {"parameters": ["shards=2"]}}
    status, answer = asked(templates, f"workflows/{templates.namespace}/submit", json.dumps(body))
    assert status == 400
    assert "spec.arguments.dataset.value" in answer["message"]


@pytest.mark.parametrize("api", ["server", "kubernetes"])
def test_where_there_is_no_template_the_command_that_makes_it_is_told(templates, digits, api):
    dataset, model = digits
    given = ("--dataset", dataset, "--model", model, "--run", templates.run("no-template"))
    said = templates.call("submit", "--from-template", *given, "-n", "default", api=api)
    assert said.returncode == 78
    assert "python -m workflows.install apply -n default makes it" in said.stderr


def test_train_and_infer_then_compare_with_another_model(templates, digits, inferred):
    dataset, _ = digits
    fields = {"dataset": dataset, "architecture": "lenet5", "input-size": "32x32", "channels": "1"}
    trained = filled_in(
        templates, f"{NAME}-train-and-infer", fields | {"epochs": "3", "shards": "1", "threads-per-step": "1"}
    )
    succeeded(templates, trained)
    metrics = json.loads(templates.store(f"forms/{trained}").get("report/metrics.json"))
    assert metrics["cases"]["done"] == 359
    untrained = json.loads(templates.store(f"forms/{inferred}").get("report/metrics.json"))
    assert metrics["metrics"]["accuracy"]["mean"] > 0.7 > untrained["metrics"]["accuracy"]["mean"]

    runs = {"first": templates.run(f"forms/{inferred}"), "others": templates.run(f"forms/{trained}")}
    comparison = filled_in(templates, f"{NAME}-comparison", runs)
    succeeded(templates, comparison)
    (compare,) = templates.steps(comparison, "compare")
    assert {"page", "document"} <= {each["name"] for each in compare["outputs"]["artifacts"]}
    kept = templates.store(f"forms/{comparison}")
    assert b"The runs differ" in kept.get("comparison.html")
    (other,) = json.loads(kept.get("comparison.json"))["others"]
    accuracy = next(each for each in other["differences"] if each["metric"] == "accuracy")
    assert accuracy["second"] == metrics["metrics"]["accuracy"]["mean"]


@pytest.fixture(scope="module")
def token(templates: Cluster) -> str:
    """Of the service account that may do no more than the binding needs."""
    templates.kubectl("apply", "-f", str(TRIGGERS / "event.yaml"))
    return f"Bearer {templates.kubectl('create', 'token', EVENTS).strip()}"


@pytest.mark.usefixtures("token")
def test_the_token_of_events_may_do_what_the_binding_needs_and_nothing_else(templates):
    account = f"system:serviceaccount:{templates.namespace}:{EVENTS}"
    listed = templates.kubectl("auth", "can-i", "--list", f"--as={account}", "--no-headers")
    rules = {tuple(line.split()) for line in listed.splitlines() if "argoproj.io" in line}
    assert rules == {
        ("workfloweventbindings.argoproj.io", "[]", "[]", "[list]"),
        ("workflowtemplates.argoproj.io", "[]", f"[{NAME}]", "[get]"),
        ("workflows.argoproj.io", "[]", "[]", "[create]"),
    }
    own = ("selfsubject", "[/")
    others = [line for line in listed.splitlines() if "argoproj.io" not in line and not any(w in line for w in own)]
    assert not others


def test_one_post_starts_one_run_of_the_template_and_other_posts_none(templates, token, digits):
    dataset, model = digits
    good = {"dataset": dataset, "model": model}
    events = f"events/{templates.namespace}"
    for payload in ({"model": model}, {"dataset": dataset}, good | {"dataset": 7}, good | {"model": ""}):
        asked(templates, f"{events}/infer", json.dumps(payload), token)
    assert asked(templates, f"{events}/infer", '{"dataset":', token)[0] == 400
    asked(templates, f"{events}/other", json.dumps(good), token)
    assert asked(templates, f"{events}/infer", json.dumps(good), token) == (200, {})

    selector = ("-l", f"workflows.argoproj.io/workflow-event-binding={NAME}")
    templates.wait_for(lambda: json.loads(templates.kubectl("get", "workflows", *selector, "-o", "json"))["items"])
    time.sleep(3)  # whatever the other posts had started would be there by now
    (started,) = json.loads(templates.kubectl("get", "workflows", *selector, "-o", "json"))["items"]
    assert set(started["spec"]) == {"arguments", "workflowTemplateRef"}, (
        "so that templateReferencing: Strict accepts it"
    )
    assert {each["name"]: each["value"] for each in started["spec"]["arguments"]["parameters"]} == good
    templates.kubectl("delete", "workflow", started["metadata"]["name"])


def test_each_new_dataset_file_is_inferred_once(templates, digits):
    """Two files, then the same again, then one more: three runs. The CronWorkflow's own workflow, at our time."""
    _, model = digits
    digits_data = open_store(Location.parse(f"s3://{BUCKET}/{templates.prefix}/digits/data"))
    document = yaml.safe_load(digits_data.get("digits.yml"))
    images = [document["images"][index] for index in document["split"]["test"][:4]]
    incoming = open_store(Location.parse(f"s3://{BUCKET}/{templates.prefix}/incoming"))
    for image in images:
        incoming.put(image["location"], digits_data.get(image["location"]))
    runs = templates.store("new")

    def arrive(number: int) -> None:
        dataset = {"name": f"digits {number}", "classes": document["classes"], "images": images}
        incoming.put(f"{number}.yml", yaml.safe_dump(dataset).encode())

    def reports() -> set[str]:
        return {key for key in runs.list() if key.endswith("report/metrics.json")}

    def tick() -> None:
        cron = yaml.safe_load((TRIGGERS / "new-datasets.yaml").read_text())
        assert cron["spec"]["concurrencyPolicy"] == "Forbid"
        spec = cron["spec"]["workflowSpec"]
        own = {"datasets": str(incoming.root), "model": model, "runs": str(runs.root), "shards": "1"}
        parameters = {each["name"]: each["value"] for each in spec["arguments"]["parameters"]} | own
        spec["arguments"]["parameters"] = [{"name": name, "value": value} for name, value in parameters.items()]
        workflow = {"apiVersion": cron["apiVersion"], "kind": "Workflow", "metadata": {"generateName": "tick-"}}
        made = json.loads(
            templates.kubectl("create", "-f", "-", "-o", "json", stdin=json.dumps(workflow | {"spec": spec}))
        )
        succeeded(templates, made["metadata"]["name"])

    arrive(1)
    arrive(2)
    tick()
    first = reports()
    assert len(first) == 2
    tick()
    assert reports() == first
    arrive(3)
    tick()
    assert len(reports()) == 3
    assert first < reports()
