"""Workflows that are gone from the cluster, and still in Argo's archive: a real PostgreSQL, controller and server.

Controller and server are this test's own, on this machine, for its namespace only: an instance id keeps the cluster's
controller away from its workflows. So nothing of the cluster is changed, and other tests may go on beside it.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.conftest import Cluster
from tests.s3_server import find, free_port, wait_until

INSTANCE = "archive"
LABEL = f"workflows.argoproj.io/controller-instanceid={INSTANCE}"
DATABASE_SECRET = "archive-database"  # noqa: S105 - a name
CONFIGURATION = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: workflow-controller-configmap
data:
  instanceID: {instance}
  metricsConfig: "{{enabled: false}}"
  telemetryConfig: "{{enabled: false}}"
  persistence: |
    archive: true
    postgresql:
      host: 127.0.0.1
      port: {port}
      database: postgres
      tableName: argo_workflows
      userNameSecret: {{name: {secret}, key: username}}
      passwordSecret: {{name: {secret}, key: password}}
"""


@dataclass
class Archive:
    """How commands reach the server that has the archive."""

    cluster: Cluster
    variables: dict[str, str]

    def call(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return self.cluster.call(*arguments, **self.variables)


@pytest.fixture(scope="module")
def archive(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    logs = tmp_path_factory.mktemp("logs")
    with postgresql() as database:
        keys = ("--from-literal=username=argo", "--from-literal=password=none")
        cluster.kubectl("create", "secret", "generic", DATABASE_SECRET, *keys)
        values = {"instance": INSTANCE, "port": database, "secret": DATABASE_SECRET}
        cluster.kubectl("apply", "-f", "-", stdin=CONFIGURATION.format(**values))
        executor = cluster.kubectl(
            *("-n", "argo", "get", "deployment", "workflow-controller"),
            *("-o", "jsonpath={.spec.template.spec.containers[0].args}"),
        )
        mine = ("--namespaced", "--managed-namespace", cluster.namespace, "--namespace", cluster.namespace)
        port = free_port()
        serve = ("server", *mine, "--auth-mode", "server", "--secure=false", "--port", str(port))
        with (
            started(cluster, logs / "controller", find("workflow-controller"), *mine, *json.loads(executor)),
            started(cluster, logs / "server", find("argo"), *serve),
        ):
            wait_until(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/version"), "the Argo Server")
            yield Archive(cluster, {"ARGO_SERVER": f"127.0.0.1:{port}", "ARGO_SECURE": "false", "ARGO_TOKEN": ""})


@contextmanager
def postgresql() -> Iterator[int]:
    """A server with an empty database on loopback; its port."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    as_user = ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()
    folder, port = Path(tempfile.mkdtemp(prefix="postgresql-")), free_port()
    if as_user:
        shutil.chown(folder, "postgres")

    def call(program: str, *arguments: str) -> None:
        command = [*as_user, str(programs[-1] / program), "-D", f"{folder}/data", *arguments]
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL)

    try:
        call("initdb", "--auth=trust", "--username=argo", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        call("pg_ctl", "-o", options, "-l", f"{folder}/log", "-w", "start")
        try:
            yield port
        finally:
            call("pg_ctl", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


@contextmanager
def started(cluster: Cluster, log: Path, *command: str) -> Iterator[None]:
    """One of Argo's programs, reaching the cluster by KUBECONFIG."""
    environment = {name: value for name, value in cluster.environment.items() if not name.startswith("ARGO_")}
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, env=environment | {"LEADER_ELECTION_DISABLE": "true"}, stdout=said, stderr=subprocess.STDOUT
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.fixture(scope="module")
def gone(archive: Archive, digits: tuple[str, str]) -> str:
    """A run's workflow that has ended, and was deleted: its name."""
    said = archive.call("submit", *archive.cluster.submission("archived"), "--no-check", "--json", "--label", LABEL)
    assert said.returncode == 0, said.stderr
    name = str(json.loads(said.stdout)["workflow"])
    said = archive.call("watch", name, "--quiet", "--timeout", "500")
    assert said.returncode == 0, said.stdout
    archived = "jsonpath={.metadata.labels.workflows\\.argoproj\\.io/workflow-archiving-status}"
    archive.cluster.wait_for(
        lambda: archive.cluster.kubectl("get", "workflow", name, "-o", archived) in ("Archived", "Persisted")
    )
    archive.cluster.kubectl("delete", "workflow", name, "--wait=true")
    return name


def test_it_is_listed_with_its_run(archive, gone):
    listed = json.loads(archive.call("list", "--json").stdout)["workflows"]
    (found,) = [each for each in listed if each["name"] == gone]
    assert found["phase"] == "Succeeded"
    assert found["run"] == archive.cluster.run("archived")


def test_the_beginning_of_its_name_says_how_its_steps_ended(archive, gone):
    said = archive.call("status", gone[:-2])
    assert said.returncode == 0, said.stderr
    assert f"workflow {gone}, Succeeded" in said.stdout
    assert "2 of 2 ended" in said.stdout


@pytest.mark.parametrize("verb", ["watch", "report"])
def test_its_verdict_and_metrics_are_told(archive, gone, verb):
    said = archive.call(verb, gone)
    assert said.returncode == 0, said.stderr
    assert "Complete: 359 of 359 cases done" in said.stdout


def test_what_its_steps_have_said_is_read_from_the_bucket(archive, gone):
    said = archive.call("logs", gone, "--step", "gather")
    assert said.returncode == 0, said.stderr
    assert "complete and acceptable" in said.stdout


@pytest.mark.parametrize("verb", ["stop", "terminate", "retry"])
def test_nothing_can_be_done_to_it_and_what_can_be_done_to_its_run_is_said(archive, gone, verb):
    said = archive.call(verb, gone)
    assert said.returncode == 65
    assert f"{gone}: succeeded and removed; only Argo's archive still has it" in said.stderr
    assert f"There is nothing to {verb}" in said.stderr
    assert said.stderr.rstrip().endswith(f"resume {archive.cluster.run('archived')}")
    assert len(said.stderr.splitlines()) == 1


def test_resume_finds_its_run_and_says_that_nothing_is_left_to_do(archive, gone):
    said = archive.call("resume", gone, "--no-check")
    assert said.returncode == 64
    assert f"{archive.cluster.run('archived')}: nothing is left to do" in said.stderr


def test_who_asks_the_kubernetes_api_is_told_who_has_the_archive(archive, gone):
    said = archive.cluster.call("status", gone, api="kubernetes")
    assert said.returncode == 65
    assert "Only an Argo Server reads Argo's archive of removed ones: set ARGO_SERVER" in said.stderr


def test_who_deletes_it_is_told_how_its_record_goes_and_where_its_outputs_are(archive, gone):
    """The last test: the record goes here."""
    said = archive.call("delete", gone)
    assert said.returncode == 65
    assert "only Argo's archive still has it" in said.stderr
    assert f"files are in {archive.cluster.run('archived')}" in said.stderr
    (command,) = re.findall(r"(argo archive delete \S+ -n [\w-]+)", said.stderr)
    environment = archive.cluster.environment | archive.variables
    subprocess.run([find("argo"), *command.split()[1:]], env=environment, check=True, capture_output=True)
    said = archive.call("delete", gone)
    assert said.returncode == 65
    assert "no workflow of this name in namespace" in said.stderr
