"""``python -m workflows.golden``: writes the rendered workflows that lie in the repository anew, or checks them.

Those of the tests let a review see what a change does to the Workflow objects, and ``argo lint`` check them without a
cluster. The WorkflowTemplates in manifests/ are what an administrator applies; those for one place are
rendered by ``python -m workflows.templates``.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import yaml

from imaging_core.errors import EXIT_DONE, EXIT_NOT_ACCEPTABLE
from steps.command import run_command
from workflows.distributed_inference import NAME, distributed_inference
from workflows.manifest import to_manifest, to_yaml
from workflows.parameters import Parameters
from workflows.pods import Pods
from workflows.templates.catalogue import folder as templates
from workflows.templates.site import Site

PROJECT = Path(__file__).parents[1]
FOLDER = PROJECT / "tests" / "workflows" / "golden"
TEMPLATES = PROJECT / "manifests" / "base" / "templates"
MONITORING = PROJECT / "manifests" / "monitoring"

_PODS = Pods(image="registry.example.org/imaging:1.0")
_ISIC = Parameters(
    dataset="s3://data/isic/isic.yml", model="s3://models/unet", run="s3://runs/isic-1", shards=16, parallelism=4
)
_EVERYTHING = Parameters(
    dataset="/data/skin lesions/isic.yml",
    model="/models/unet",
    run="s3://runs/isic 2",
    split="all",
    shards=100,
    parallelism=8,
    threads_per_step=4,
    policy="reference",
    allow_root=("/archive/a", "s3://archive/b"),
    allow_http=("images.example.org",),
    case_names="index",
    max_failed="2%",
    require_one_class=True,
    require=("iou.mean>=0.77", "recall[skin lesion]>0.8"),
    no_regression="s3://runs/isic 1",
    patient="patient id",
    group_by=("sex", "age"),
    metric=("iou", "dice"),
    price_per_hour="2.50 EUR",
    probabilities=True,
    surface_distances=2.5,
    lesions=True,
    dicom_results="identified",
    device="cuda",
    cache="s3://cache/medical images",
    retry_failed=True,
    max_pixels=100_000_000,
    max_bytes=50_000_000,
)
_EVERY_SETTING = Pods(
    image="core=registry.example.org/core@sha256:00,gpu=registry.example.org/gpu@sha256:11",
    image_pull_policy="Always",
    image_pull_secrets=("registry",),
    service_account="inference",
    gpus_per_step=2,
    cpu="3500m",
    memory="24Gi",
    ephemeral_storage="50Gi",
    node_selector=("gpu=a100", "zone=b"),
    tolerations=("nvidia.com/gpu:NoSchedule", "team=pathology:NoExecute", "spot"),
    priority_class="batch",
    runtime_class="nvidia",
    semaphore="gpu-quota/pathology",
    active_deadline=36_000,
    retry_other_node=True,
    labels=("team=pathology",),
    s3_endpoint="https://minio.example.org:9000",
    s3_region="eu-central-1",
    s3_secret="bucket-credentials",
    s3_secret_keys="id,secret",
    ca_secret="own-authority",
)


def golden() -> dict[str, str]:
    """File name to YAML of each workflow that is kept in the repository."""
    workflows = {
        "run.yaml": distributed_inference(_ISIC, _PODS),
        "every-option.yaml": distributed_inference(_EVERYTHING, _EVERY_SETTING),
        "resume.yaml": distributed_inference(_ISIC, _PODS, missing=["003", "011"]),
        "resume-gather-only.yaml": distributed_inference(_ISIC, _PODS, missing=[]),
    }
    return {name: to_yaml(to_manifest(workflow)) for name, workflow in workflows.items()}


def prometheus_rule() -> str:
    """The alarms of ``rules.yaml``, as the Prometheus operator reads them."""
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": NAME, "labels": {"app.kubernetes.io/name": NAME}},
        "spec": yaml.safe_load((MONITORING / "rules.yaml").read_text()),
    }
    return "# Made from rules.yaml by `python -m workflows.golden`.\n" + to_yaml(rule)


def main(arguments: Sequence[str] | None) -> int:
    """Write the files, or say which of them are out of date."""
    parser = argparse.ArgumentParser(prog="python -m workflows.golden", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is out of date")
    checking = parser.parse_args(arguments).check
    rule = MONITORING / "prometheusrule.yaml"
    wanted = {rule: prometheus_rule()}
    for folder, files in ((FOLDER, golden()), (TEMPLATES, templates(Site.of(Pods())))):
        wanted |= {folder / name: text for name, text in files.items()}
    paths = (*FOLDER.glob("*.yaml"), *TEMPLATES.glob("*.yaml"), rule)
    there = {path: path.read_text() for path in paths if path.exists()}
    changed = sorted(path for path in wanted.keys() | there.keys() if wanted.get(path) != there.get(path))
    for path in changed:
        if checking:
            print(f"{path}: out of date; run python -m workflows.golden and look at the difference")
        elif path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path])
        else:
            path.unlink()
    return EXIT_NOT_ACCEPTABLE if checking and changed else EXIT_DONE


if __name__ == "__main__":
    run_command(main)
