"""From submit to the report on a real cluster: the same bytes as on one machine, and what Argo shows of it."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cluster.artifact_proxy import Proxy
from tests.cluster.conftest import SECRET
from workflows.distributed_inference import NAME

APIS = ("server", "kubernetes")


@pytest.fixture(scope="module")
def runs(cluster, digits, isic):
    """One run of each dataset, submitted through the one and the other API: name to its workflow."""
    watched = cluster.start("submit", *cluster.submission("digits", shards=3), "--watch", api="server")
    waited = cluster.start(
        "submit", *cluster.submission("isic", "isic"), "--no-check", "--wait", "--json", api="kubernetes"
    )
    return {
        name: (*each.communicate(timeout=540), each.returncode)
        for name, each in (("digits", watched), ("isic", waited))
    }


def test_watch_shows_every_step_the_verdict_and_where_the_report_is(runs):
    stdout, stderr, code = runs["digits"]
    assert code == 0
    assert re.search(r"Workflow distributed-inference-\w+ was created in namespace test-", stdout)
    for step in ("split", "infer 000", "infer 001", "infer 002", "gather"):
        assert f"{step}: done in " in stderr
    assert "Complete: 359 of 359 cases done, 0 failed, 0 skipped." in stdout
    assert "runs/digits/report/report.html" in stdout


def test_wait_says_nothing_and_gives_scripts_one_object(runs):
    stdout, _, code = runs["isic"]
    said = json.loads(stdout)
    assert (code, said["exit_code"], said["phase"], said["failures"]) == (0, 0, "Succeeded", [])
    assert said["metrics"]["cases"]["done"] == 5


@pytest.mark.parametrize(("name", "shards"), [("digits", 3), ("isic", 2)])
def test_the_bytes_are_those_of_the_local_engine_in_the_same_image(runs, cluster, name, shards):
    cluster.run_in_image(f"local-{name}", name, shards)
    assert cluster.compared(name) == cluster.compared(f"local-{name}")


def test_the_workflow_object_names_the_secret_and_holds_none(runs, cluster):
    for name in json.loads(cluster.call("list", "--json").stdout)["workflows"]:
        text = json.dumps(cluster.workflow(name["name"]))
        assert SECRET in text
        assert f'"{os.environ["S3_SECRET_KEY"]}"' not in text


def test_nodes_show_counts_and_the_main_metric_and_logs_are_kept(runs, cluster):
    name = _workflow_of(cluster, "digits")
    status = cluster.call("status", name)
    assert status.returncode == 0
    assert re.search(r"infer 001 +done in .*, \d+ done, 0 failed", status.stdout)
    assert re.search(r"gather +done in .*, 359 done, 0 failed, Accuracy 0\.\d+", status.stdout)
    kept = list(cluster.store("digits").list("logs/"))
    assert len(kept) == 5
    assert all(key.endswith("/main.log") for key in kept)


def test_logs_come_from_pods_and_when_these_are_gone_from_the_bucket(runs, cluster):
    name = _workflow_of(cluster, "isic")
    for _ in range(2):
        said = cluster.call("logs", name, "--shard", "001", api="kubernetes")
        assert said.returncode == 0
        assert "shard 001: 2 cases, 2 done" in said.stdout
        assert "argo=true" not in said.stdout
        cluster.kubectl("delete", "pods", "-l", f"workflows.argoproj.io/workflow={name}", "--ignore-not-found")


@pytest.mark.parametrize("api", APIS)
def test_a_name_is_completed_and_one_that_is_none_is_said(runs, cluster, api):
    name = _workflow_of(cluster, "digits")
    assert name in cluster.call("status", name[:-2], api=api).stdout
    ambiguous = cluster.call("status", "distributed-inference", api=api)
    assert ambiguous.returncode == 64
    named = cluster.kubectl("get", "workflows", "-l", f"app.kubernetes.io/name={NAME}", "-o", "name").splitlines()
    assert f"distributed-inference: {len(named)} workflows begin so: distributed-inference-" in ambiguous.stderr
    missing = cluster.call("status", "other", api=api)
    assert missing.returncode == 65
    assert "no workflow of this name in namespace" in missing.stderr


def test_argos_server_shows_the_report_with_its_pictures(runs, cluster, tmp_path):
    """Through the real server, with the policy that it sends: no request of the page may be refused."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not on PATH")
    name = _workflow_of(cluster, "digits")
    (gather,) = cluster.steps(name, "gather")
    base = f"/artifact-files/{cluster.namespace}/workflows/{name}/{gather['id']}/outputs/report/"
    with Proxy(cluster.environment["ARGO_SERVER"], cluster.environment["ARGO_TOKEN"]) as proxy:
        page = f"http://127.0.0.1:{proxy.port}{base}index.html"
        flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            "--v=0",
            "--window-size=1100,1600",
        ]
        picture = Path(os.environ.get("KEEP_SCREENSHOTS", tmp_path)) / "argo-report.png"
        said = subprocess.run(
            [chromium, *flags, f"--user-data-dir={tmp_path}/profile", f"--screenshot={picture}", page],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert picture.exists(), said.stderr
        blocked = [line for line in said.stderr.splitlines() if "CONSOLE" in line]
        assert not blocked
        assert proxy.answers[f"{base}index.html"] == 200
        pictures = {path: status for path, status in proxy.answers.items() if path.startswith(f"{base}pictures/")}
        assert pictures
        assert set(pictures.values()) == {200}
    html = proxy.bodies[f"{base}index.html"].decode()
    wanted = set(re.findall(r'(?:src|href)="(pictures/[^"]+)"', html))
    assert {path.removeprefix(base) for path in pictures} == wanted


def test_prometheus_is_told_cases_and_seconds(runs, cluster):
    told = cluster.metrics()
    assert told["cases_done"] >= 364
    assert told["shard_seconds_count"] >= 4


def _workflow_of(cluster, run: str) -> str:
    listed = json.loads(cluster.call("list", "--json").stdout)["workflows"]
    return next(each["name"] for each in listed if each["run"] == cluster.run(run))
