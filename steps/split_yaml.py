"""Splits a dataset file into balanced shards: ``python -m steps.split_yaml``."""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from imaging_core.dataset.index import BALANCED, POLICIES, ShardIndex
from imaging_core.dataset.split_run import SplitRequest, split_run
from imaging_core.errors import EXIT_DONE
from imaging_core.store import Location, open_store
from steps.command import positive, run_step
from steps.outputs import HELP, write_outputs

EXAMPLE = """\
example:
  python -m steps.split_yaml --dataset data/isic.yml --split test --shards 8 --run runs/isic-1
"""


def main(arguments: Sequence[str] | None) -> int:
    """Split as the arguments say; returns the exit code."""
    options = _parser().parse_args(arguments)
    run = Location.parse(options.run)
    request = SplitRequest(
        dataset=Location.parse(options.dataset),
        split=options.split,
        shards=options.shards,
        policy=options.policy,
        allowed_roots=[Location.parse(root) for root in options.allow_root],
        http_hosts=options.allow_http,
        show_names=options.case_names == "file",
    )
    index, was_there = split_run(open_store(run), request)
    for warning in index.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    write_outputs(options.outputs, {"shard-ids": json.dumps(index.ids)})
    print(("already split: " if was_there else "") + _words(index, run))
    return EXIT_DONE


def _host(text: str) -> str:
    host = re.sub("^https?://", "", text.lower()).rstrip("/")
    if not host or "/" in host:
        raise argparse.ArgumentTypeError(f"{text!r} is not a host, such as images.example.org or 10.0.0.1:8080")
    return host


def _words(index: ShardIndex, run: Location) -> str:
    images = f"{index.samples} image{'s' if index.samples != 1 else ''} of split {index.split!r}"
    shards = f"{len(index.shards)} shard{'s' if len(index.shards) != 1 else ''}"
    least, most = min(shard.cost for shard in index.shards), max(shard.cost for shard in index.shards)
    return f"{images} in {shards} of {_between(least, most, index.cost)}, in {run.for_person()}/shards"


def _between(least: int, most: int, unit: str) -> str:
    if unit == "bytes" and most >= 1e6:
        return f"{least / 1e6:.1f} MB" if least == most else f"{least / 1e6:.1f} to {most / 1e6:.1f} MB"
    unit = unit if most != 1 else unit.removesuffix("s")
    return f"{least} {unit}" if least == most else f"{least} to {most} {unit}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m steps.split_yaml",
        description="Split a dataset file (DTD) into balanced shards, each a dataset file by itself. The images need\n"
        "not exist. A second call with the same options does nothing.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--dataset", required=True, metavar="LOCATION", help="the dataset file")
    add("--split", required=True, metavar="NAME", help="which split to infer; 'all' takes every image")
    add("--shards", required=True, type=positive, metavar="N", help="how many shards; at most one an image")
    add("--run", required=True, metavar="LOCATION", help="the run's prefix, where shards/ is written")
    add(
        "--policy",
        choices=POLICIES,
        default=BALANCED,
        help="balanced: every image of the split once, shards of nearly the same bytes (default); "
        "reference: the groups of DeepHealth's split-yaml, for comparison only",
    )
    add(
        "--allow-root",
        action="append",
        default=[],
        metavar="LOCATION",
        help="a folder outside the dataset file's own in which images or masks may lie; may be repeated",
    )
    add(
        "--allow-http",
        action="append",
        type=_host,
        default=[],
        metavar="HOST",
        help="a web server on which images or masks may lie; may be repeated",
    )
    add(
        "--case-names",
        choices=("file", "index"),
        default="file",
        help="index: errors name entries, never files, whose names may identify patients (default: file)",
    )
    add("--outputs", type=Path, metavar="FOLDER", help=f"{HELP}: shard-ids, a JSON list")
    return parser


if __name__ == "__main__":
    run_step(main)
