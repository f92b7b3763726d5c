"""The options of pods: what they accept, and what they become in the Workflow."""

import json

import pytest

from imaging_core import __version__
from workflows import pod_options
from workflows.command_line import parser
from workflows.distributed_inference import distributed_inference
from workflows.manifest import to_manifest
from workflows.parameters import Parameters
from workflows.pods import Images, Pods

PARAMETERS = Parameters(dataset="s3://d/x.yml", model="s3://m", run="s3://bucket/runs/1", shards=3, parallelism=2)
RENDER = ("render", "--dataset", "/d.yml", "--model", "/m", "--run", "/r", "--shards", "1")


def pods(*options: str) -> Pods:
    return Pods(**pod_options.given(parser().parse_args([*RENDER, *options])))


def spec(settings: Pods, **changes):
    return to_manifest(distributed_inference(PARAMETERS, settings))["spec"]


def template(settings: Pods, name: str):
    return next(each for each in spec(settings)["templates"] if each["name"] == name)


@pytest.mark.parametrize(
    ("prefix", "core"),
    [
        ("registry.example.org/imaging:1.0", "registry.example.org/imaging/core:1.0"),
        ("registry.example.org:5000/imaging", f"registry.example.org:5000/imaging/core:{__version__}"),
        ("localhost:5000/imaging:0a1b2c3", "localhost:5000/imaging/core:0a1b2c3"),
        ("core=r/core@sha256:0a,gpu=r/gpu@sha256:0a", "r/core@sha256:0a"),
    ],
)
def test_images_lie_below_a_prefix_or_are_named_one_by_one(prefix, core):
    assert Images.under(prefix) == Images(core, core.replace("core", "gpu"))


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--memory", "8 GB", "'8 GB' is not a size, such as 8Gi"),
        ("--active-deadline", "0", "'0' is not a time, such as 90m, 12h or 7d"),
        ("--active-deadline", "1w", "'1w' is not a time"),
        ("--node-selector", "gpu", "'gpu' is not key=value"),
        ("--label", "=x", "'=x' is not key=value"),
        ("--toleration", "a=b:Never", "is not a toleration: key=value:Effect"),
        ("--semaphore", "quota", "'quota' is not CONFIGMAP/KEY"),
        ("--s3-secret-keys", "id", "'id' is not two keys of a secret"),
        ("--pod-s3-endpoint", "minio:9000", "'minio:9000' is not a URL such as http://minio.storage:9000"),
        ("--pod-s3-endpoint", "http://u:p@minio:9000", "is not a URL"),
        ("--service-account", "Me", "'Me' is not the name of an object in Kubernetes"),
        ("--gpus-per-step", "-1", "'-1' is not a whole number"),
    ],
)
def test_what_cannot_be_is_said_at_once(option, value, words, capsys):
    with pytest.raises(SystemExit) as ended:
        pods(f"{option}={value}")
    assert ended.value.code == 64
    assert words in capsys.readouterr().err


def test_tolerations_are_written_as_kubectl_writes_taints():
    wanted = pods("--toleration", "gpu=yes:NoSchedule", "--toleration", "gpu:NoExecute", "--toleration", "spot")
    assert spec(wanted)["tolerations"] == [
        {"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"},
        {"key": "gpu", "operator": "Exists", "effect": "NoExecute"},
        {"key": "spot", "operator": "Exists"},
    ]


def test_credentials_are_named_by_their_secret_for_our_steps_and_for_argos_own_containers():
    wanted = pods("--s3-secret", "bucket", "--s3-secret-keys", "id,key", "--pod-s3-endpoint", "http://minio.argo:9000")
    gather = template(wanted, "gather")
    environment = {each["name"]: each.get("value", each.get("valueFrom")) for each in gather["container"]["env"]}
    assert environment["AWS_ENDPOINT_URL_S3"] == "http://minio.argo:9000"
    assert environment["AWS_ACCESS_KEY_ID"] == {"secretKeyRef": {"name": "bucket", "key": "id"}}
    assert environment["AWS_SECRET_ACCESS_KEY"] == {"secretKeyRef": {"name": "bucket", "key": "key"}}
    for s3 in (gather["archiveLocation"]["s3"], gather["outputs"]["artifacts"][0]["s3"]):
        assert s3["accessKeySecret"] == {"name": "bucket", "key": "id"}
        assert s3["secretKeySecret"] == {"name": "bucket", "key": "key"}
        assert (s3["endpoint"], s3["insecure"], s3["bucket"]) == ("minio.argo:9000", True, "bucket")


def test_without_a_secret_the_service_account_is_the_identity():
    s3 = template(Pods(s3_endpoint="https://s3.example.org"), "gather")["archiveLocation"]["s3"]
    assert s3["useSDKCreds"] is True
    assert "insecure" not in s3
    assert not [each for each in template(Pods(), "infer")["container"]["env"] if each["name"].startswith("AWS_")]


def test_logs_and_the_page_for_argos_viewer_lie_below_the_run():
    gather = template(Pods(), "gather")
    assert gather["archiveLocation"]["s3"]["key"] == "runs/1/logs/{{pod.name}}"
    (report,) = gather["outputs"]["artifacts"]
    assert (report["s3"]["key"], report["archive"]) == ("runs/1/report/ui", {"none": {}})


def test_every_container_is_restricted_argos_own_included():
    made = spec(Pods())
    assert made["securityContext"]["runAsNonRoot"] is True
    assert made["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    restricted = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    patch = json.loads(made["podSpecPatch"])
    assert patch["initContainers"] == [{"name": "init", "securityContext": restricted}]
    assert patch["containers"] == [{"name": "wait", "securityContext": restricted}]
    for name in ("split", "infer", "gather"):
        assert template(Pods(), name)["container"]["securityContext"] == {**restricted, "readOnlyRootFilesystem": True}


@pytest.mark.parametrize(("gpus", "held"), [(0, False), (2, True)])
def test_gpus_bring_shared_memory_a_runtime_class_and_their_seconds(gpus, held):
    infer = template(Pods(gpus_per_step=gpus, runtime_class="nvidia"), "infer")
    assert infer["container"]["resources"]["limits"].get("nvidia.com/gpu") == ("2" if held else None)
    assert ("shared-memory" in {each["name"] for each in infer["container"]["volumeMounts"]}) is held
    assert (json.loads(infer.get("podSpecPatch", "{}")) == {"runtimeClassName": "nvidia"}) is held
    names = [each["name"] for each in infer["metrics"]["prometheus"]]
    assert ("distributed_inference_gpu_seconds" in names) is held


def test_a_retry_goes_elsewhere_only_on_request():
    assert "affinity" not in template(Pods(), "infer")["retryStrategy"]
    assert template(Pods(retry_other_node=True), "infer")["retryStrategy"]["affinity"] == {"nodeAntiAffinity": {}}
