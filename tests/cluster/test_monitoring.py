"""A run that misses a requirement: how it ends, what its pages say, and what a real Prometheus makes of it."""

import json
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import suppress

import pytest
import yaml

from tests.cluster.conftest import Cluster, new_namespace
from tests.workflows.ci.junit_rules import verdicts
from workflows.golden import MONITORING

MISSED = "accuracy.mean>=0.999"
WITHOUT_DATA = ("DCGM_", "gpu_seconds")
"""Nothing here has a GPU."""


class Prometheus:
    """A server of Prometheus, asked through its HTTP API."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str, **query: str):
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
            value = json.loads(answer.read())
        assert value["status"] == "success"
        return value["data"]

    def query(self, expression: str):
        return self.get("query", query=expression)["result"]

    def ready(self) -> bool:
        with suppress(OSError):
            return any(target["health"] == "up" for target in self.get("targets")["activeTargets"])
        return False


@pytest.fixture(scope="module")
def team(cluster: Cluster, digits: object) -> Iterator[Cluster]:
    """A namespace of its own: what other tests do in theirs is no alarm here."""
    with new_namespace() as own:
        own.inputs = cluster.inputs
        yield own


@pytest.fixture(scope="module")
def prometheus(team, tmp_path_factory):
    """One that scrapes Argo's controller, from before the run on."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not on PATH; apt-get install prometheus brings it")
    folder = tmp_path_factory.mktemp("prometheus")
    running = ("-l", "app=workflow-controller", "--field-selector=status.phase=Running")
    address = team.kubectl("-n", "argo", "get", "pods", *running, "-o", "jsonpath={.items[0].status.podIP}")
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(MONITORING / "rules.yaml")],
        "scrape_configs": [
            {
                **{"job_name": "argo", "scheme": "https", "honor_labels": True},
                "tls_config": {"insecure_skip_verify": True},
                "static_configs": [{"targets": [f"{address}:9090"]}],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            ["prometheus", *options, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log
        )
    try:
        made = Prometheus(port)
        team.wait_for(made.ready)
        yield made
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture(scope="module")
def gated(team, prometheus, tmp_path_factory):
    """A run of an untrained model that a requirement is made of: what submit said, its JUnit XML and its Markdown."""
    folder = tmp_path_factory.mktemp("pages")
    options = ("--no-check", "--wait", "--json", "--require", MISSED, "--require", "accuracy.mean>=0")
    pages = ("--junit", str(folder / "junit.xml"), "--markdown", str(folder / "summary.md"))
    said = team.call("submit", *team.submission("gated"), *options, *pages)
    return said, (folder / "junit.xml").read_bytes(), (folder / "summary.md").read_text()


def test_a_missed_requirement_fails_the_workflow_and_loses_nothing(gated, team):
    said, junit, page = gated
    result = json.loads(said.stdout)
    assert (said.returncode, result["phase"], result["failures"]) == (1, "Failed", [])
    assert verdicts(junit) == {
        **{"complete": "passed", "failed cases": "passed"},
        **{MISSED: "failure", "accuracy.mean>=0": "passed"},
    }
    assert f"/workflows/{team.namespace}/{result['workflow']})" in page
    store = team.store("gated")
    assert json.loads(store.get("report/metrics.json"))["acceptable"] is False
    assert store.exists("report/report.html")
    (gather,) = team.steps(result["workflow"], "gather")
    outputs = {each["name"]: each.get("value") for each in gather["outputs"]["parameters"]}
    assert (outputs["done"], outputs["missing"]) == ("359", "0")
    assert "report" in [each["name"] for each in gather["outputs"]["artifacts"]]


def test_a_run_is_gathered_again_beside_a_baseline_in_the_bucket(gated, team):
    store, baseline = team.store("gated"), team.store("baseline")
    for key in list(store.list()):
        if key.startswith(("shards/", "results/")):
            baseline.put(key, store.get(key))
    asked = ("--require", "accuracy.mean>=0", "--no-regression", team.run("baseline"))
    said = team.call("resume", team.run("gated"), "--no-check", "--wait", "--json", *asked)
    checks = {check["name"]: check["holds"] for check in json.loads(said.stdout)["metrics"]["checks"]}
    assert said.returncode == 0
    assert checks == {"complete": True, "failed cases": True, "accuracy.mean>=0": True, "no regression": True}


def test_prometheus_is_told_how_the_run_ended_by_namespace(gated, team, prometheus):
    where = f'namespace="{team.namespace}"'
    name = "argo_workflows_distributed_inference"
    team.wait_for(lambda: prometheus.query(f'{name}_runs{{{where},status="Failed"}} >= 1'))
    for figure in (f"cases_done{{{where}}} >= 359", f"cases_failed{{{where}}} >= 0", f"cases_missing{{{where}}} >= 0"):
        assert prometheus.query(f"{name}_{figure}"), figure
    assert prometheus.query(f"{name}_slowest_shard_count{{{where}}} >= 1")
    assert prometheus.query(f'sum({name}_shard_seconds_count{{{where},status="Succeeded"}}) >= 2')


def test_the_alarm_of_a_failed_run_sounds_and_that_of_missing_cases_does_not(gated, team, prometheus):
    def sounding() -> set[str]:
        alerts = prometheus.get("alerts")["alerts"]
        ours = (alert for alert in alerts if alert["labels"].get("namespace") == team.namespace)
        return {alert["labels"]["alertname"] for alert in ours if alert["state"] == "firing"}

    team.wait_for(lambda: "InferenceRunFailed" in sounding())
    assert not sounding() & {"InferenceRunIncomplete", "InferenceCasesFailing", "InferenceShardSlow"}


def test_every_rule_is_evaluated_and_every_panel_shows_something(gated, team, prometheus):
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}
    for panel in json.loads((MONITORING / "dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            filled = target["expr"].replace("$namespace", team.namespace)
            filled = filled.replace("$__rate_interval", "5m").replace("$__range", "1h")
            found = prometheus.query(filled)
            assert found or any(name in filled for name in WITHOUT_DATA), panel["title"]
