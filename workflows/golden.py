"""``python -m workflows.golden``: writes the rendered workflows that lie in the repository anew, or checks them.

They let a review see what a change does to the Workflow objects, and ``argo lint`` check them without a cluster.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from imaging_core.errors import EXIT_DONE, EXIT_NOT_ACCEPTABLE
from steps.command import run_command
from workflows.distributed_inference import Images, distributed_inference
from workflows.manifest import to_manifest, to_yaml
from workflows.parameters import Parameters

FOLDER = Path(__file__).parents[1] / "tests" / "workflows" / "golden"

_IMAGES = Images.under("registry.example.org/imaging:1.0")
_ISIC = Parameters(
    dataset="s3://data/isic/isic.yml", model="s3://models/unet", run="s3://runs/isic-1", shards=16, parallelism=4
)
_EVERYTHING = Parameters(
    dataset="/data/skin lesions/isic.yml",
    model="/models/unet",
    run="/runs/isic 2",
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
    probabilities=True,
    device="cuda",
    cache="s3://cache/medical images",
    retry_failed=True,
    max_pixels=100_000_000,
    max_bytes=50_000_000,
)


def golden() -> dict[str, str]:
    """File name to YAML of each workflow that is kept in the repository."""
    workflows = {
        "run.yaml": distributed_inference(_ISIC, _IMAGES),
        "every-option.yaml": distributed_inference(_EVERYTHING, _IMAGES),
        "resume.yaml": distributed_inference(_ISIC, _IMAGES, missing=["003", "011"]),
        "resume-gather-only.yaml": distributed_inference(_ISIC, _IMAGES, missing=[]),
    }
    return {name: to_yaml(to_manifest(workflow)) for name, workflow in workflows.items()}


def main(arguments: Sequence[str] | None) -> int:
    """Write the files, or say which of them are out of date."""
    parser = argparse.ArgumentParser(prog="python -m workflows.golden", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is out of date")
    checking = parser.parse_args(arguments).check
    wanted = golden()
    there = {path.name: path.read_text() for path in FOLDER.glob("*.yaml")}
    changed = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    for name in changed:
        if checking:
            print(f"{FOLDER / name}: out of date; run python -m workflows.golden and look at the difference")
        elif name in wanted:
            FOLDER.mkdir(parents=True, exist_ok=True)
            (FOLDER / name).write_text(wanted[name])
        else:
            (FOLDER / name).unlink()
    return EXIT_NOT_ACCEPTABLE if checking and changed else EXIT_DONE


if __name__ == "__main__":
    run_command(main)
