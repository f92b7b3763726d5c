"""What is applied to a cluster: every overlay renders, and the answers reach the objects that they are about."""

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from imaging_core.errors import ConfigurationError
from workflows.install.answers import Answers
from workflows.install.command_line import parser
from workflows.install.render import render

PROJECT = Path(__file__).parents[2]
CLUSTER = Path(os.environ.get("CLUSTER_HOME", "/var/tmp/dev-cluster"))  # noqa: S108 - where ../shared/cluster builds
PATH = os.pathsep.join([os.environ.get("CLUSTER_BIN", str(CLUSTER / "bin")), os.environ["PATH"]])
ARGO = CLUSTER / "src/manifests"
OVERLAYS = sorted(path.name for path in (PROJECT / "manifests/overlays").iterdir())


def install(*arguments: str, path: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "workflows.install", *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, env=os.environ | {"PATH": path})


@pytest.fixture(autouse=True)
def _programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", PATH)


@functools.cache
def rendered(overlay: str, *answers: str) -> list[dict[str, Any]]:
    if shutil.which("kubectl", path=PATH) is None:
        pytest.skip("kubectl is neither in $CLUSTER_BIN nor on PATH; ../shared/cluster/build makes it")
    if overlay != "existing-argo":
        if not ARGO.is_dir():
            pytest.skip(f"{ARGO} is not here: a copy of Argo's manifests, which ../shared/cluster/build makes")
        answers = (*answers, "--argo-manifests", str(ARGO))
    arguments = parser().parse_args(["render", "--overlay", overlay, *answers])
    return render(Answers().changed_by(arguments), "imaging", arguments.argo_manifests)


def find(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = [each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def images(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(images, value))
    if not isinstance(value, dict):
        return set()
    own = {value["image"]} if isinstance(value.get("image"), str) else set()
    return own | images([each for key, each in value.items() if key != "image"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_renders_into_one_namespace_and_marks_what_it_made(overlay):
    objects = rendered(overlay)
    assert find(objects, "ConfigMap", "distributed-inference-limits")["data"]["infer"] == "4"
    assert {each["metadata"].get("namespace", "imaging") for each in objects} == {"imaging"}
    for each in objects:
        assert each["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "distributed-inference-install"
    names = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(names) == len(set(names))
    ours = {image for image in images(objects) if not image.startswith("localhost/distributed-medical-inference/")}
    assert all(re.search(r"(:v?\d[\w.-]*|:RELEASE\.[\w-]+|@sha256:[0-9a-f]{64})$", image) for image in ours), ours


def test_an_existing_argo_gets_nothing_outside_the_namespace():
    kinds = {each["kind"] for each in rendered("existing-argo")}
    assert not kinds & {
        "CustomResourceDefinition",
        "ClusterRole",
        "ClusterRoleBinding",
        "PriorityClass",
        "Namespace",
        "Secret",
    }


@pytest.mark.parametrize("overlay", ["quickstart", "production"])
def test_argo_looks_at_its_own_namespace_only(overlay):
    objects = rendered(overlay)
    for name in ("workflow-controller", "argo-server"):
        (container,) = find(objects, "Deployment", name)["spec"]["template"]["spec"]["containers"]
        assert "--namespaced" in container["args"]
    assert not [each for each in objects if each["kind"].startswith("ClusterRole")]


def test_argo_has_one_version():
    fetched = (PROJECT / "manifests/argo/kustomization.yaml").read_text()
    (version,) = re.findall(r"\?ref=(v[\d.]+)", fetched)
    pinned = yaml.safe_load((PROJECT / "manifests/versions/kustomization.yaml").read_text())["images"]
    assert {each["newTag"] for each in pinned if "argoproj" in each["name"]} == {version}


def test_answers_reach_their_objects():
    objects = rendered("existing-argo", "--parallelism", "7", "--gpus", "3", "--runs", "s3://data/runs")
    assert find(objects, "ConfigMap", "distributed-inference-limits")["data"]["infer"] == "7"
    hard = find(objects, "ResourceQuota", "distributed-inference")["spec"]["hard"]
    assert hard["requests.nvidia.com/gpu"] == "3"
    form = find(objects, "WorkflowTemplate", "distributed-inference")["spec"]["arguments"]["parameters"]
    assert {each["name"]: each.get("value") for each in form}["runs"] == "s3://data/runs"


@pytest.mark.parametrize(
    ("answers", "port", "to"),
    [
        (("--s3-endpoint", "http://minio:9000"), 9000, {"kubernetes.io/metadata.name": "imaging"}),
        (("--s3-endpoint", "http://minio.storage:9000"), 9000, {"kubernetes.io/metadata.name": "storage"}),
        (("--s3-endpoint", "https://s3.storage.svc.cluster.local"), 443, {"kubernetes.io/metadata.name": "storage"}),
        (("--s3-endpoint", "http://10.1.2.3"), 80, "10.1.2.3/32"),
        (("--s3-endpoint", "https://s3.example.com:8443"), 8443, None),
        (("--s3-endpoint", "https://s3.example.com", "--s3-cidr", "10.1.0.0/16"), 443, "10.1.0.0/16"),
    ],
)
def test_the_endpoint_narrows_where_pods_may_connect_to(answers, port, to):
    policy = find(rendered("existing-argo", *answers), "NetworkPolicy", "distributed-inference-s3")
    (rule,) = policy["spec"]["egress"]
    assert [each["port"] for each in rule["ports"]] == [port]
    if to is None:
        assert "to" not in rule, "the name of a host outside cannot be said in a network policy"
    elif isinstance(to, dict):
        assert rule["to"] == [{"namespaceSelector": {"matchLabels": to}}]
    else:
        assert rule["to"] == [{"ipBlock": {"cidr": to}}]


def test_nothing_may_connect_to_pods_and_they_reach_dns_api_and_s3_only():
    objects = [each for each in rendered("existing-argo") if each["kind"] == "NetworkPolicy"]
    assert {each["metadata"]["name"] for each in objects} == {"distributed-inference", "distributed-inference-s3"}
    assert all("ingress" not in each["spec"] for each in objects)
    assert "Ingress" in find(objects, "NetworkPolicy", "distributed-inference")["spec"]["policyTypes"]
    ports = {port["port"] for each in objects for rule in each["spec"]["egress"] for port in rule["ports"]}
    assert ports == {53, 443, 6443, 9000}


def test_roles_of_people_read_no_secrets_and_only_the_administrator_renews_one():
    for name in ("viewer", "submitter", "administrator"):
        role = find(rendered("existing-argo"), "Role", f"distributed-inference-{name}")
        rules = [rule for rule in role["rules"] if "secrets" in rule["resources"]]
        reading = [rule for rule in rules if {"get", "list", "watch"} & set(rule["verbs"])]
        assert [rule["resourceNames"] for rule in reading] == (
            [["bucket-credentials"]] if name == "administrator" else []
        )
        assert not any("*" in [*rule["verbs"], *rule["resources"]] for rule in role["rules"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--parallelism", "0"), "is not a whole number of at least 1"),
        (("--s3-endpoint", "minio:9000"), "is not a URL such as http://minio.storage:9000"),
        (("--s3-cidr", "10.0.0.300/8"), "give addresses as 10.1.2.0/24"),
        (("--overlay", "none"), "invalid choice"),
    ],
)
def test_an_answer_that_is_none_is_refused(arguments, words, capsys):
    with pytest.raises(SystemExit, match="64"):
        parser().parse_args(["render", *arguments])
    assert words in capsys.readouterr().err


def test_what_is_missing_to_render_is_said(tmp_path):
    said = install("render", path=str(tmp_path))
    assert said.returncode == 78
    assert "kubectl is not on PATH" in said.stderr
    with pytest.raises(ConfigurationError, match="there is no namespace-install"):
        render(Answers(overlay="quickstart"), "imaging", tmp_path)
