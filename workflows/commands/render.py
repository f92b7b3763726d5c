"""``render``: the Workflow as YAML, for ``kubectl create``, ``argo submit``, a review or a repository."""

import argparse

from imaging_core.errors import UsageError
from workflows import pod_options
from workflows.distributed_inference import distributed_inference
from workflows.manifest import to_manifest, to_yaml
from workflows.options import OWN_COMMAND, add_options, given
from workflows.parameters import Parameters, option
from workflows.pods import Pods

NEEDED = ("dataset", "model", "run", "shards")

DESCRIPTION = """\
Print the Workflow that Argo would run, as YAML. Nothing is read, checked or started: locations are those that pods see.
"""
EPILOG = """\
examples:
  %(prog)s --dataset s3://data/isic/isic.yml --model s3://models/unet --run s3://runs/isic-1 --shards 16 \\
      --parallelism 4 --device cuda --image registry.example.org/imaging:1.0 > isic.yaml
  argo lint --offline isic.yaml
"""


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``render`` to the command line."""
    parser = commands.add_parser(
        "render",
        help="print the Workflow as YAML",
        usage=f"{OWN_COMMAND} render --dataset LOCATION --model LOCATION --run LOCATION --shards N [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    add_options(parser, run="needed", shards="needed", parallelism="default: all of them")
    pod_options.add_pod_options(parser)
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Print the YAML."""
    values = given(arguments)
    if absent := [option(name) for name in NEEDED if name not in values]:
        raise UsageError(f"{', '.join(absent)} missing; a cluster has no defaults for them")
    values.setdefault("parallelism", values["shards"])
    pods = Pods(**pod_options.given(arguments))
    print(to_yaml(to_manifest(distributed_inference(Parameters(**values), pods))), end="")
    return 0
