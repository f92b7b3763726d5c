"""``python -m workflows.golden``: writes the rendered workflows that lie in the repository anew, or checks them.

Those of the tests let a review see what a change does to the Workflow objects, and ``argo lint`` check them without a
cluster. The WorkflowTemplates in manifests/ are what an administrator applies; those for one place are
rendered by ``python -m workflows.templates``.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from imaging_core.errors import EXIT_DONE, EXIT_NOT_ACCEPTABLE
from steps.command import run_command
from workflows.distributed_inference import distributed_inference
from workflows.manifest import to_manifest, to_yaml
from workflows.parameters import Parameters
from workflows.pods import Pods
from workflows.templates.catalogue import folder
from workflows.templates.site import Site

FOLDER = Path(__file__).parents[1] / "tests" / "workflows" / "golden"
TEMPLATES = Path(__file__).parents[1] / "manifests" / "base" / "templates"

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
    patient="patient id",
    group_by=("sex", "age"),
    metric=("iou", "dice"),
    price_per_hour="2.50 EUR",
    probabilities=True,
    surface_distances=2.5,
    lesions=True,
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


def main(arguments: Sequence[str] | None) -> int:
    """Write the files, or say which of them are out of date."""
    parser = argparse.ArgumentParser(prog="python -m workflows.golden", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is out of date")
    checking = parser.parse_args(arguments).check
    changed = [
        path
        for where, wanted in ((FOLDER, golden()), (TEMPLATES, folder(Site.of(Pods()))))
        for path in _renew(where, wanted, checking=checking)
    ]
    return EXIT_NOT_ACCEPTABLE if checking and changed else EXIT_DONE


def _renew(where: Path, wanted: Mapping[str, str], *, checking: bool) -> list[Path]:
    """Make a folder hold the wanted files and no other YAML; those that differed."""
    there = {path.name: path.read_text() for path in where.glob("*.yaml")}
    changed = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    for name in changed:
        if checking:
            print(f"{where / name}: out of date; run python -m workflows.golden and look at the difference")
        elif name in wanted:
            where.mkdir(parents=True, exist_ok=True)
            (where / name).write_text(wanted[name])
        else:
            (where / name).unlink()
    return [where / name for name in changed]


if __name__ == "__main__":
    run_command(main)
