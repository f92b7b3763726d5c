"""The overlay quickstart, installed: an Argo, a MinIO and a PostgreSQL of its own, a run, and what uninstalling leaves.

As docs/install.md says: a copy of the project, an overlay of one's own. That of tests/cluster/quickstart has the images
of the development cluster, an instance id, and ``templateReferencing: Strict``: only runs of templates are carried out.
"""

import base64
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from examples.digits.demo import LEAST_ACCURACY
from tests.cluster.conftest import PROJECT, Cluster
from tests.cluster.test_install import ARGO

OVERLAY = "quickstart-here"
POSTGRES = "localhost/postgres:15"
RUNS = "s3://imaging/runs"
RUN = f"{RUNS}/demo"
DEPLOYED = ("statefulset/minio", "statefulset/postgres", "deployment/workflow-controller", "deployment/argo-server")
VOLUMES = ("data-minio-0", "data-postgres-0")


@dataclass
class Quickstart:
    """An installation, its namespace, and how a person reaches it."""

    cluster: Cluster
    namespace: str
    copy: Path

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self.cluster.kubectl("-n", self.namespace, *arguments, stdin=stdin)

    def install(self, *arguments: str) -> None:
        """The installer of the copy, in which the overlay lies."""
        command = [sys.executable, "-m", "workflows.install", *arguments, "-n", self.namespace]
        environment = self.cluster.environment | {"PYTHONPATH": f"{self.copy}{os.pathsep}{PROJECT}"}
        said = subprocess.run(command, cwd=self.copy, capture_output=True, text=True, env=environment)
        assert said.returncode == 0, said.stdout + said.stderr

    def apply(self) -> None:
        """Install, and wait until everything is ready."""
        answers = ("--image", self.cluster.images, "--s3-endpoint", "http://minio:9000")
        secret = ("--s3-secret", "bucket-credentials", "--parallelism", "1", "--runs", RUNS)
        self.install("apply", "--overlay", OVERLAY, *answers, *secret, "--argo-manifests", str(ARGO))
        for each in DEPLOYED:
            self.kubectl("rollout", "status", each, "--timeout=180s")

    def call(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Our command, through the Argo Server and the MinIO that were installed."""
        keys = json.loads(self.kubectl("get", "secret", "bucket-credentials", "-o", "json"))["data"]
        reached = {
            "AWS_ENDPOINT_URL_S3": f"http://{self._address('minio')}:9000",
            "AWS_ACCESS_KEY_ID": base64.b64decode(keys["accesskey"]).decode(),
            "AWS_SECRET_ACCESS_KEY": base64.b64decode(keys["secretkey"]).decode(),
            "ARGO_SERVER": f"{self._address('argo-server')}:2746",
            "ARGO_TOKEN": self.kubectl("create", "token", "person").strip(),
            "ARGO_NAMESPACE": self.namespace,
        }
        return self.cluster.call(*arguments, **reached)

    def _address(self, service: str) -> str:
        return self.kubectl("get", "service", service, "-o", "jsonpath={.spec.clusterIP}")


@pytest.fixture(scope="module")
def quickstart(cluster: Cluster) -> Iterator[Quickstart]:
    nodes = json.loads(cluster.kubectl("get", "nodes", "-o", "json"))["items"]
    there = {name for node in nodes for image in node["status"]["images"] for name in image.get("names") or []}
    if POSTGRES not in there:
        pytest.skip(
            f"{POSTGRES} is not on the node: build tests/cluster/quickstart/postgres and load it, as .ci/run does"
        )
    name = f"quickstart-{secrets.token_hex(3)}"
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    folder.chmod(0o755)
    for package in ("workflows", "manifests"):
        shutil.copytree(PROJECT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PROJECT / "tests/cluster/quickstart", folder / "manifests/overlays" / OVERLAY)
    cluster.kubectl("create", "namespace", name)
    volumes = [_volume(name, claim, folder) for claim in VOLUMES]
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": volumes}))
    made = Quickstart(cluster, name, folder)
    try:
        yield made
    finally:
        cluster.kubectl("delete", "namespace", name)
        cluster.kubectl("delete", "persistentvolumes", *(each["metadata"]["name"] for each in volumes))
        shutil.rmtree(folder)


def _volume(namespace: str, claim: str, folder: Path) -> dict[str, Any]:
    """What a storage class would make, which the development cluster lacks: a folder of this machine, its one node."""
    path = folder / "volumes" / claim
    path.mkdir(parents=True)
    path.chmod(0o777)
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "20Gi"},
        "claimRef": {"namespace": namespace, "name": claim},
        "hostPath": {"path": str(path)},
    }
    metadata = {"name": f"{namespace}-{claim}"}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec}


@pytest.fixture(scope="module")
def ready(quickstart: Quickstart) -> Quickstart:
    """Installed, and ready; somebody may look and submit."""
    quickstart.apply()
    quickstart.kubectl("create", "serviceaccount", "person")
    for role in ("viewer", "submitter"):
        given = (f"--role=distributed-inference-{role}", f"--serviceaccount={quickstart.namespace}:person")
        quickstart.kubectl("create", "rolebinding", f"person-{role}", *given)
    return quickstart


@pytest.fixture(scope="module")
def inputs(demo: Path) -> tuple[str, ...]:
    """The digits and the LeNet-5 of ``make demo``, as options."""
    return "--dataset", str(demo / "digits/digits.yml"), "--upload-images", "--model", str(demo / "lenet5")


@pytest.fixture(scope="module")
def workflow(ready: Quickstart, inputs: tuple[str, ...]) -> str:
    """The workflow of a run from the template, when it has ended well."""
    options = ("--shards", "2", "--memory", "1500Mi", "--json", "--wait", "--timeout", "400")
    said = ready.call("submit", "--from-template", *inputs, "--run", RUN, *options)
    assert said.returncode == 0, said.stdout + said.stderr
    return str(json.loads(said.stdout)["workflow"])


def accuracy(metrics: dict[str, Any]) -> float:
    assert metrics["cases"]["done"] == 359
    return float(metrics["metrics"]["accuracy"]["mean"])


def test_the_demo_runs_from_its_template_with_the_figures_that_it_has_on_this_machine(ready, workflow, demo):
    told = accuracy(json.loads(ready.call("report", RUN, "--json").stdout))
    assert told >= LEAST_ACCURACY
    here = json.loads((demo / "run/report/metrics.json").read_text())
    assert told == pytest.approx(accuracy(here), abs=0.005)
    labels = json.loads(ready.kubectl("get", "workflow", workflow, "-o", "json"))["metadata"]["labels"]
    assert labels["workflows.argoproj.io/controller-instanceid"] == "quickstart", (
        "the cluster's controller leaves it alone"
    )


def test_where_only_templates_may_run_a_workflow_of_its_own_is_refused(ready, inputs):
    said = ready.call("submit", *inputs, "--run", "s3://imaging/own", "--image", ready.cluster.images)
    assert said.returncode == 78, said.stdout + said.stderr
    assert "pods: workflows must use workflowTemplateRef" in said.stderr
    assert "submit --from-template" in said.stderr
    unchecked = ("--image", ready.cluster.images, "--no-check", "--wait", "--timeout", "120")
    said = ready.call("submit", *inputs, "--run", "s3://imaging/own", *unchecked)
    assert said.returncode == 1, said.stdout + said.stderr
    assert "submit --from-template" in said.stdout


def test_a_removed_workflow_is_in_the_archive(ready, workflow):
    archived = "jsonpath={.metadata.labels.workflows\\.argoproj\\.io/workflow-archiving-status}"
    ready.cluster.wait_for(
        lambda: ready.kubectl("get", "workflow", workflow, "-o", archived) in ("Archived", "Persisted")
    )
    ready.kubectl("delete", "workflow", workflow)
    assert workflow in ready.call("list").stdout


def test_uninstalling_leaves_runs_archive_and_secrets_and_installing_again_finds_them(ready, workflow):
    ready.install("uninstall", "--yes")
    left = ready.kubectl("get", "statefulsets,deployments,workflowtemplates,roles,services", "-o", "name")
    assert not [each for each in left.split() if "person" not in each]
    kept = ready.kubectl("get", "persistentvolumeclaims,secrets", "-o", "name").split()
    assert {f"persistentvolumeclaim/{each}" for each in VOLUMES} <= set(kept)
    assert {"secret/bucket-credentials", "secret/workflow-archive"} <= set(kept)

    ready.apply()
    assert accuracy(json.loads(ready.call("report", RUN, "--json").stdout)) >= LEAST_ACCURACY
    assert workflow in ready.call("list").stdout
