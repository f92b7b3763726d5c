"""Alarms and dashboard: Prometheus' own checks, and that they ask for metrics that runs and Argo's controller give."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from workflows import metrics
from workflows.golden import MONITORING, prometheus_rule

PROJECT = Path(__file__).parents[2]
RULES = MONITORING / "rules.yaml"
PANELS = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
OF_ARGO = {"pods_gauge", "gauge", "queue_depth_gauge"}
"""Of the controller's own metrics, as util/telemetry/metrics_list.go of Argo 3.7 names them."""


def promtool(*arguments):
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not on PATH; apt-get install prometheus brings it")
    said = subprocess.run(["promtool", *arguments], capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout


def expressions():
    rules = [rule["expr"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    return rules + [target["expr"] for panel in PANELS for target in panel["targets"]]


def test_the_rules_are_rules():
    assert "SUCCESS: 7 rules found" in promtool("check", "rules", str(RULES))


def test_each_alarm_sounds_when_it_should_and_not_otherwise(tmp_path):
    text = (Path(__file__).parent / "rules.test.yaml").read_text()
    tested = set(re.findall(r"alertname: (\w+)", text))
    assert tested == {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
    (tmp_path / "test.yaml").write_text(text.replace("RULES", str(RULES)))
    promtool("test", "rules", str(tmp_path / "test.yaml"))


def test_every_metric_that_is_asked_for_is_one_that_there_is():
    ours = [
        each for of in (metrics.of_workflow(), metrics.of_infer(1, "1"), metrics.of_gather()) for each in of.prometheus
    ]
    given = {f"argo_workflows_{each.name}" for each in ours if each.counter}
    given |= {f"argo_workflows_{each.name}_{end}" for each in ours if each.histogram for end in ("bucket", "count")}
    asked = {name for each in expressions() for name in re.findall(r"argo_workflows_\w+", each)}
    assert asked <= given | {f"argo_workflows_{name}" for name in OF_ARGO}
    buckets = {label for each in expressions() for label in re.findall(r'le="([^"]+)"', each)}
    assert {float(label) for label in buckets} <= set(metrics.SLOWEST_SHARD)


def test_the_operators_rule_is_made_of_the_same_file():
    rule = yaml.safe_load((MONITORING / "prometheusrule.yaml").read_text())
    assert rule["spec"] == yaml.safe_load(RULES.read_text())
    assert (MONITORING / "prometheusrule.yaml").read_text() == prometheus_rule()


def test_every_alarm_is_explained_where_its_reader_looks():
    text = (PROJECT / "docs/operate.md").read_text()
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            assert f"`{rule['alert']}`" in text


def test_the_panels_do_not_overlap_and_use_the_dashboards_own_variables():
    taken = set()
    for panel in PANELS:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        assert at["x"] + at["w"] <= 24
        taken |= cells
        assert panel["datasource"]["uid"] == "${datasource}"
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
