"""The WorkflowTemplates: what their forms ask for, and that what they start is what ``submit`` starts."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from imaging_core.errors import MissingError
from steps import cleanup, compare, find_datasets, gather, split_yaml, train
from tests.workflows.argo_schemas import validate, write_schema
from workflows.arguments import arguments_of
from workflows.distributed_inference import NAME, distributed_inference
from workflows.golden import TEMPLATES
from workflows.manifest import to_manifest
from workflows.parameters import Parameters
from workflows.pods import Pods
from workflows.templates.catalogue import folder, rendered
from workflows.templates.site import Site

PROJECT = Path(__file__).parents[2]
TRIGGERS = PROJECT / "manifests" / "triggers"
REFERENCE = re.compile(r"inputs\.parameters(?:\.([\w-]+)|\['([\w-]+)'\])")
PODS = Pods(image="registry.example.org/imaging:1.0", s3_secret="keys", s3_endpoint="http://minio:9000")  # noqa: S106
MANIFESTS = {
    each["metadata"]["name"]: each for each in map(yaml.safe_load, rendered(Site.of(PODS, "s3://runs")).values())
}
NEEDED = {
    NAME: {"dataset", "model"},
    f"{NAME}-training": {"dataset", "input-size"},
    f"{NAME}-train-and-infer": {"dataset", "input-size"},
    f"{NAME}-comparison": {"first", "others"},
    f"{NAME}-new-datasets": {"datasets", "model"},
    f"{NAME}-cleanup": set(),
}
STEPS = {
    "train": train.main,
    "split_yaml": split_yaml.main,
    "gather": gather.main,
    "compare": compare.main,
    "cleanup": cleanup.main,
    "find_datasets": find_datasets.main,
}


def form(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in manifest["spec"]["arguments"]["parameters"]}


def names(items: dict[str, Any] | None) -> list[str]:
    return [each["name"] for each in (items or {}).get("parameters", [])]


def filled(template: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
    """A template as Argo hands it to a pod, its plain references replaced."""
    text = json.dumps(template)
    for name, value in values.items():
        text = text.replace(f"{{{{inputs.parameters.{name}}}}}", value)
    read: dict[str, Any] = json.loads(text)
    return read


@pytest.mark.parametrize("name", sorted(folder(Site.of(Pods()))))
def test_the_manifests_are_what_the_code_renders(name):
    wanted = folder(Site.of(Pods()))[name]
    assert (TEMPLATES / name).read_text() == wanted, "run python -m workflows.golden and look at the difference"


def test_the_manifests_hold_nothing_else():
    assert {path.name for path in TEMPLATES.iterdir()} == set(folder(Site.of(Pods())))


@pytest.mark.parametrize("name", sorted(MANIFESTS))
def test_a_form_describes_every_field_and_has_a_default_for_all_but_what_only_its_user_knows(name):
    fields = form(MANIFESTS[name])
    assert {field for field, each in fields.items() if "value" not in each} == NEEDED[name]
    assert all(each["description"].endswith(".") for each in fields.values())
    assert all(each["value"] in each["enum"] for each in fields.values() if "enum" in each)
    assert MANIFESTS[name]["metadata"]["annotations"]["workflows.argoproj.io/description"]


def test_a_place_without_a_prefix_for_runs_asks_for_it():
    inference = yaml.safe_load(rendered(Site.of(PODS))[f"{NAME}.yaml"])
    assert "value" not in form(inference)["runs"]


def test_the_form_says_who_limits_how_many_shards_run_at_once():
    inference = MANIFESTS[NAME]
    assert "ConfigMap distributed-inference-limits, key infer" in form(inference)["shards"]["description"]
    (infer,) = (each for each in inference["spec"]["templates"] if each["name"] == "infer")
    (semaphore,) = infer["synchronization"]["semaphores"]
    assert semaphore["configMapKeyRef"] == {"name": "distributed-inference-limits", "key": "infer"}
    assert "parallelism" not in inference["spec"]


@pytest.mark.parametrize("name", sorted(MANIFESTS))
def test_every_reference_is_given_from_the_form_down_to_the_container(name):
    spec = MANIFESTS[name]["spec"]
    main, *steps = spec["templates"]
    wanted = {NAME: names(MANIFESTS[NAME]["spec"]["templates"][0]["inputs"])}
    wanted |= {each["name"]: names(each.get("inputs")) for each in steps}
    for each in steps:
        used = {plain or quoted for plain, quoted in REFERENCE.findall(json.dumps(each))}
        assert used == set(names(each.get("inputs")))
    for task in main["dag"]["tasks"]:
        called = task.get("template") or task["templateRef"]["name"]
        assert sorted(names(task.get("arguments"))) == sorted(wanted[called])
    assert {plain or quoted for plain, quoted in REFERENCE.findall(json.dumps(main))} == set(names(main["inputs"]))
    fields = form(MANIFESTS[name])
    assert set(names(main["inputs"])) <= set(fields)
    assert set(fields) - set(names(main["inputs"])) <= {"runs"}


def test_the_template_of_inference_calls_what_submit_calls():
    """Field by field, once the form is filled in; only quantities and places are said in another way."""
    given = Parameters(
        dataset="s3://data/x.yml", model="s3://models/m", run="s3://runs/1", shards=5, parallelism=2,
         case_names="index", max_failed="2%", device="cpu", split="all",
    )  # fmt: skip
    submitted = to_manifest(distributed_inference(given, PODS))
    values = {each["name"]: each["value"] for each in submitted["spec"]["arguments"]["parameters"]}
    own = {"case-names": "index", "device": "cpu", "threads-per-step": "1", "memory": "4Gi"}
    template = [filled(each, values | own) for each in MANIFESTS[NAME]["spec"]["templates"][1:]]
    workflow = json.loads(re.sub(
        r"\{\{workflow\.parameters\.([\w-]+)\}\}", lambda found: values[found[1]], json.dumps(submitted["spec"])
    ))["templates"][1:]  # fmt: skip
    split = template[0]["container"]["args"]
    del split[split.index("--model") : split.index("--outputs")]  # run.json, which submit writes itself
    for here, there in zip(template, workflow, strict=True):
        for field in ("command", "args", "env", "image", "securityContext"):
            assert here["container"][field] == there["container"][field]
        for field in ("name", "retryStrategy"):
            assert here[field] == there[field]
        assert here["outputs"].get("parameters") == there["outputs"].get("parameters")
    shared = ("securityContext", "podSpecPatch", "podMetadata", "serviceAccountName", "podGC", "ttlStrategy")
    assert all(MANIFESTS[NAME]["spec"][field] == submitted["spec"][field] for field in shared)


@pytest.mark.parametrize("name", sorted(MANIFESTS))
def test_steps_understand_what_a_form_gives_them(name, tmp_path):
    """They get as far as looking for the dataset or run, which is not there."""
    values = {field: each.get("value", "") for field, each in form(MANIFESTS[name]).items()}
    nowhere = dict.fromkeys(("dataset", "datasets", "model", "runs", "run", "first"), str(tmp_path / "none"))
    values |= nowhere | {"others": str(tmp_path / "other"), "input-size": "32x32"}
    for each in MANIFESTS[name]["spec"]["templates"][1:]:
        container = filled(each, values)["container"]
        step = container["command"][-1].removeprefix("steps.")
        arguments = [str(tmp_path) if part == "/tmp/outputs" else part for part in container["args"]]  # noqa: S108
        if step in ("find_datasets", "cleanup"):
            assert STEPS[step](arguments) == 0
        elif step != "infer":  # as submit calls it
            with pytest.raises(MissingError):
                STEPS[step](arguments)


@pytest.mark.parametrize("name", sorted(MANIFESTS))
def test_a_form_decides_neither_image_nor_secret_nor_account(name):
    for each in MANIFESTS[name]["spec"]["templates"][1:]:
        container = each["container"]
        assert "{{" not in container["image"]
        assert all("{{" not in json.dumps(env["valueFrom"]) for env in container["env"] if "valueFrom" in env)
        patched = re.findall(r"\{\{=([^}]+)\}\}", each.get("podSpecPatch", ""))
        assert all(expression.startswith(("toJSON(", "(inputs.parameters.device ==")) for expression in patched)
    assert "{{" not in json.dumps(MANIFESTS[name]["spec"]["serviceAccountName"])


def test_train_and_infer_infers_with_the_model_of_its_own_run():
    tasks = {
        each["name"]: each for each in MANIFESTS[f"{NAME}-train-and-infer"]["spec"]["templates"][0]["dag"]["tasks"]
    }
    assert list(tasks) == ["train", "split", "infer", "gather"]
    assert tasks["infer"]["depends"] == "train && split"
    model = next(each for each in tasks["infer"]["arguments"]["parameters"] if each["name"] == "model")
    assert model["value"] == "{{inputs.parameters.run}}/model"


def test_values_are_read_of_a_workflow_that_a_template_made():
    template = [{"name": "runs", "value": "s3://runs"}, {"name": "split", "value": "test"}, {"name": "dataset"}]
    template.append({"name": "run", "value": "{{workflow.parameters.runs}}/{{workflow.name}}"})
    workflow = {
        "metadata": {"name": "distributed-inference-x1"},
        "spec": {"arguments": {"parameters": [{"name": "dataset", "value": "s3://data/x.yml"}]}},
        "status": {"storedWorkflowTemplateSpec": {"arguments": {"parameters": template}}},
    }
    assert arguments_of(workflow) == {
        "runs": "s3://runs",
        "split": "test",
        "dataset": "s3://data/x.yml",
        "run": "s3://runs/distributed-inference-x1",
    }


@pytest.mark.parametrize("tool", ["argo"], indirect=True)
def test_argo_lint_finds_nothing(tool):
    subprocess.run([tool, "lint", "--offline", "--no-color", TEMPLATES, TRIGGERS / "new-datasets.yaml"], check=True)


@pytest.mark.parametrize("tool", ["kubeconform"], indirect=True)
@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ("workflowtemplates", [TEMPLATES / f"{name}.yaml" for name in NEEDED]),
        ("cronworkflows", [TRIGGERS / "new-datasets.yaml"]),
        ("workfloweventbindings", [TRIGGERS / "event.yaml"]),
    ],
)
def test_the_full_crds_of_argo_accept_them(tool, tmp_path, kind, files):
    objects = [each for file in files for each in yaml.safe_load_all(file.read_text())]
    ours = [each for each in objects if each["apiVersion"].startswith("argoproj.io/")]
    (tmp_path / "ours.yaml").write_text(yaml.safe_dump_all(ours))
    checked = validate(tool, write_schema(tmp_path, kind), tmp_path / "ours.yaml")
    assert checked.returncode == 0, checked.stdout
    assert f"Valid: {len(files)}, Invalid: 0, Errors: 0, Skipped: 0" in checked.stdout


def test_render_prints_them_or_writes_a_folder(tmp_path):
    command = [sys.executable, "-m", "workflows.templates", "render", "--image", PODS.image]
    command += ["--s3-secret", "keys", "--pod-s3-endpoint", "http://minio:9000", "--runs", "s3://runs"]
    printed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert {each["metadata"]["name"]: each for each in yaml.safe_load_all(printed)} == MANIFESTS
    subprocess.run([*command, "--out", tmp_path / "made"], cwd=PROJECT, check=True)
    kustomization = yaml.safe_load((tmp_path / "made" / "kustomization.yaml").read_text())
    assert sorted(kustomization["resources"]) == sorted(f"{name}.yaml" for name in MANIFESTS)
