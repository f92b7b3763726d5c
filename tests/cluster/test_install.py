"""Installing into namespaces of a real cluster, by its administrator and by who has rights in one namespace only."""

import base64
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import PROJECT, Cluster

ARGO = Path(os.environ.get("CLUSTER_HOME", "/var/tmp/dev-cluster")) / "src/manifests"  # noqa: S108


def install(cluster: Cluster, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "workflows.install", *arguments]
    environment = cluster.environment | variables
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, env=environment)


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    name = f"install-{secrets.token_hex(3)}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def user(cluster: Cluster, namespace: str, path: Path, *bindings: str) -> str:
    """A kubeconfig with the token of a new service account that these Roles are bound to."""
    name = f"user-{secrets.token_hex(3)}"
    cluster.kubectl("-n", namespace, "create", "serviceaccount", name)
    for binding in bindings:
        kind, _, role = binding.partition("/")
        given = (f"{name}-{role}", f"--{kind}={role}", f"--serviceaccount={namespace}:{name}")
        cluster.kubectl("-n", namespace, "create", "rolebinding", *given)
    return cluster.kubeconfig(path / name, cluster.kubectl("-n", namespace, "create", "token", name).strip())


def test_who_has_rights_in_one_namespace_only_installs_upgrades_and_uninstalls(cluster, namespace, tmp_path):
    config = user(cluster, namespace, tmp_path, "clusterrole/admin", "clusterrole/argo-aggregate-to-admin")
    # the quota is the one object that the usual administrator of a namespace may not make
    cluster.kubectl("-n", namespace, "create", "role", "quota", "--verb=*", "--resource=resourcequotas")
    denied = install(cluster, "check", "-n", namespace, KUBECONFIG=config)
    assert denied.returncode == 78
    assert "you may not create resourcequotas" in denied.stdout
    refused = install(cluster, "apply", "-n", namespace, KUBECONFIG=config)
    assert refused.returncode == 78
    assert "nothing was changed" in refused.stderr
    assert "distributed-inference" not in cluster.kubectl("-n", namespace, "get", "serviceaccounts")
    account = Path(config).name
    given = ("quota", "--role=quota", f"--serviceaccount={namespace}:{account}")
    cluster.kubectl("-n", namespace, "create", "rolebinding", *given)

    def administrator(*arguments: str) -> dict[str, object]:
        said = install(cluster, *arguments, "-n", namespace, "--json", KUBECONFIG=config)
        assert said.returncode == 0, said.stdout + said.stderr
        value: dict[str, object] = json.loads(said.stdout)
        return value

    def actions(said: dict[str, object]) -> set[str]:
        objects = said["objects"]
        assert isinstance(objects, list)
        return {each["action"] for each in objects}

    assert administrator("check")["ok"]
    assert actions(administrator("apply", "--dry-run", "--parallelism", "2")) == {"created"}
    assert "distributed-inference" not in cluster.kubectl("-n", namespace, "get", "serviceaccounts")
    assert actions(administrator("apply", "--parallelism", "2")) == {"created"}
    assert actions(administrator("apply")) == {"unchanged"}, "earlier answers are remembered"
    assert actions(administrator("status")) == {"unchanged"}

    # what another has set is named, and not overwritten in silence
    patch = '{"data": {"infer": "9"}}'
    cluster.kubectl("-n", namespace, "patch", "configmap", "distributed-inference-limits", "-p", patch)
    conflict = install(cluster, "apply", "-n", namespace, KUBECONFIG=config)
    assert conflict.returncode == 78
    assert "ConfigMap distributed-inference-limits" in conflict.stderr
    assert "--force-conflicts" in conflict.stderr
    assert install(cluster, "status", "-n", namespace, KUBECONFIG=config).returncode == 1
    assert actions(administrator("apply", "--force-conflicts")) == {"changed", "unchanged"}

    # an object that this version does not have any more goes; others' objects and secrets stay
    cluster.kubectl("-n", namespace, "create", "secret", "generic", "bucket-credentials", "--from-literal=accesskey=a")
    cluster.kubectl("-n", namespace, "create", "configmap", "of-another")
    asked = install(cluster, "uninstall", "-n", namespace, KUBECONFIG=config)
    assert asked.returncode == 78
    assert "--yes" in asked.stderr
    assert actions(administrator("uninstall", "--yes")) == {"removed"}
    there = cluster.kubectl(
        "-n", namespace, "get", "configmaps,secrets,roles,networkpolicies,serviceaccounts", "-o", "name"
    )
    assert "distributed-inference" not in there
    assert "configmap/of-another" in there
    assert "secret/bucket-credentials" in there
    assert install(cluster, "status", "-n", namespace, KUBECONFIG=config).returncode == 65


def test_an_upgrade_removes_what_the_new_version_does_not_have(cluster, namespace):
    assert install(cluster, "apply", "-n", namespace).returncode == 0
    old = {"apiVersion": "v1", "kind": "ConfigMap", "namespace": namespace, "name": "of-an-older-version"}
    label = "app.kubernetes.io/managed-by=distributed-inference-install"
    for name in (old["name"], "made-by-hand"):
        cluster.kubectl("-n", namespace, "create", "configmap", name)
    cluster.kubectl("-n", namespace, "label", "configmap", old["name"], label)
    inventory = ("configmap", "distributed-inference-install")
    known = json.loads(json.loads(cluster.kubectl("-n", namespace, "get", *inventory, "-o", "json"))["data"]["objects"])
    objects = json.dumps([*known, _reference(old), _reference({**old, "name": "made-by-hand"})])
    patch = json.dumps({"data": {"objects": objects}})
    cluster.kubectl("-n", namespace, "patch", *inventory, "--type=merge", "-p", patch)
    said = install(cluster, "apply", "-n", namespace, "--json")
    assert said.returncode == 0, said.stderr
    actions = {each["name"]: each["action"] for each in json.loads(said.stdout)["objects"]}
    assert actions["of-an-older-version"] == "removed"
    assert actions["made-by-hand"] == "kept", "it has not our label"
    assert "made-by-hand" in cluster.kubectl("-n", namespace, "get", "configmaps")


def _reference(value: dict[str, str]) -> dict[str, str]:
    return {
        "api_version": value["apiVersion"],
        "kind": value["kind"],
        "namespace": value["namespace"],
        "name": value["name"],
    }


def test_the_first_time_namespace_and_secret_are_made_and_uninstalling_leaves_both(cluster):
    name = f"install-{secrets.token_hex(3)}"
    where = ("-n", name, "--create-namespace")
    secret = ("--s3-secret", "credentials", "--s3-secret-from-environment")
    for arguments in (("-n", name), (*where, "--dry-run")):
        tried = install(cluster, "apply", *arguments)
        assert tried.returncode == 78
        assert f"namespace {name}: there is none; kubectl create namespace {name}" in tried.stderr
    assert install(cluster, "apply", *where, "--s3-secret-from-environment").returncode == 64, "which secret?"
    for variables, named in (
        ({"AWS_SECRET_ACCESS_KEY": ""}, "AWS_SECRET_ACCESS_KEY unset"),
        ({"AWS_SESSION_TOKEN": "a"}, "end soon"),
    ):
        refused = install(cluster, "apply", *where, *secret, **variables)
        assert refused.returncode == 78
        assert named in refused.stderr
    assert name not in cluster.kubectl("get", "namespaces", "-o", "name"), "nothing was made so far"

    def key() -> str:
        shown = ("get", "secret", "credentials", "-o", "jsonpath={.data.secretkey}")
        return base64.b64decode(cluster.kubectl("-n", name, *shown)).decode()

    try:
        said = install(cluster, "apply", *where, *secret)
        assert said.returncode == 0, said.stderr
        assert key() == cluster.environment["AWS_SECRET_ACCESS_KEY"]
        assert key() not in said.stdout + said.stderr
        again = install(cluster, "apply", *where, *secret, AWS_SECRET_ACCESS_KEY="another")  # noqa: S106
        assert "Nothing changed" in again.stdout
        assert key() == cluster.environment["AWS_SECRET_ACCESS_KEY"], "what is there stays as it is"
        assert install(cluster, "uninstall", "-n", name, "--yes").returncode == 0
        assert key()
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize("overlay", ["existing-argo", "quickstart"])
def test_the_api_server_accepts_every_object(cluster, namespace, overlay):
    argo = ("--argo-manifests", str(ARGO))
    said = install(cluster, "apply", "-n", namespace, "--overlay", overlay, *argo, "--dry-run", "--json")
    assert said.returncode == 0, said.stderr
    made = {(each["kind"], each["name"]): each["action"] for each in json.loads(said.stdout)["objects"]}
    if overlay == "quickstart":
        assert made["Deployment", "workflow-controller"] == "created"
        assert made["CustomResourceDefinition", "workflows.argoproj.io"] == "left as is", "they are the cluster's"


def test_the_example_of_production_is_refused_until_it_has_ones_own_values(cluster, namespace):
    argo = ("--argo-manifests", str(ARGO))
    said = install(cluster, "apply", "-n", namespace, "--overlay", "production", *argo)
    assert said.returncode == 78
    assert "Ingress argo-server" in said.stderr
    manifests = install(cluster, "render", "-n", namespace, "--overlay", "production", *argo).stdout
    own = manifests.replace("example.org", "hospital.test")
    namespaced = [each for each in own.split("\n---\n") if "kind: CustomResourceDefinition" not in each]
    dry_run = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-")
    cluster.kubectl("-n", namespace, *dry_run, stdin="\n---\n".join(namespaced))


ALLOWED = {
    "viewer": {"get workflows", "list workflows", "get pods/log"},
    "submitter": {"create workflows", "patch workflows", "delete workflows", "get workflows", "get pods/log"},
    "administrator": {"create workflowtemplates", "patch configmaps/distributed-inference-limits", "create workflows"},
}
NEVER = {"list secrets", "get secrets/other", "create pods", "create pods/exec", "create roles", "create rolebindings"}
DENIED = {
    "viewer": NEVER | {"create workflows", "patch workflows", "delete workflows", "patch configmaps"},
    "submitter": NEVER | {"create workflowtemplates", "patch configmaps", "create cronworkflows"},
    "administrator": NEVER | {"patch configmaps/other", "patch resourcequotas", "patch serviceaccounts"},
}
BOUND = {"viewer": 1, "submitter": 2, "administrator": 3}


@pytest.mark.parametrize("who", BOUND)
def test_each_may_do_what_it_should_and_nothing_else(cluster, namespace, tmp_path, who):
    assert install(cluster, "apply", "-n", namespace).returncode == 0
    roles = [f"role/distributed-inference-{each}" for each in list(BOUND)[: BOUND[who]]]
    config = user(cluster, namespace, tmp_path, *roles)
    for what in sorted(ALLOWED[who] | DENIED[who]):
        verb, _, resource = what.partition(" ")
        name, _, below = resource.partition("/")
        asked = [name, f"--subresource={below}"] if name == "pods" and below else [resource]
        command = ["kubectl", "-n", namespace, "auth", "can-i", verb, *asked]
        said = subprocess.run(command, capture_output=True, text=True, env=cluster.environment | {"KUBECONFIG": config})
        assert said.stdout.strip() == ("yes" if what in ALLOWED[who] else "no"), f"{who}: {what}"


def test_by_our_own_command_the_viewer_looks_and_the_submitter_starts_and_stops(cluster, digits, tmp_path):
    """In the namespace of the other tests, where inputs and credentials are."""
    assert install(cluster, "apply", "-n", cluster.namespace, "--force-conflicts").returncode == 0
    try:
        viewer = user(cluster, cluster.namespace, tmp_path, "role/distributed-inference-viewer")
        roles = ("role/distributed-inference-viewer", "role/distributed-inference-submitter")
        submitter = user(cluster, cluster.namespace, tmp_path, *roles)
        given = (
            *cluster.submission("by-role"),
            "--no-check",
            "--json",
            "--semaphore",
            "distributed-inference-limits/infer",
        )
        refused = cluster.call("submit", *given, api="kubernetes", KUBECONFIG=viewer)
        assert refused.returncode == 78
        assert "not allowed to create workflows" in refused.stderr
        said = cluster.call("submit", *given, api="kubernetes", KUBECONFIG=submitter)
        assert said.returncode == 0, said.stderr
        workflow = json.loads(said.stdout)["workflow"]
        watched = cluster.call("watch", workflow, "--quiet", "--json", api="kubernetes", KUBECONFIG=submitter)
        assert json.loads(watched.stdout)["metrics"]["complete"], watched.stderr
        for command in (("list",), ("status", workflow), ("logs", workflow)):
            assert cluster.call(*command, api="kubernetes", KUBECONFIG=viewer).returncode == 0
        stopping = cluster.call("stop", workflow, api="kubernetes", KUBECONFIG=viewer)
        assert stopping.returncode == 78
        for command in ("stop", "delete"):
            said = cluster.call(command, workflow, api="kubernetes", KUBECONFIG=submitter)
            assert said.returncode == 0, said.stderr
    finally:
        base = str(PROJECT / "manifests/base")
        assert install(cluster, "uninstall", "-n", cluster.namespace, "--yes").returncode == 0
        cluster.kubectl("apply", "-k", base)
