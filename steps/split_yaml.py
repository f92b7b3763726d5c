"""Splits a dataset file into balanced shards: ``python -m steps.split_yaml``."""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imaging_core import run as layout
from imaging_core.dataset.index import BALANCED, POLICIES, ShardIndex
from imaging_core.dataset.split_run import SplitRequest, split_run
from imaging_core.errors import EXIT_DONE, UsageError
from imaging_core.record import Circumstances, record_json
from imaging_core.store import Location, open_store
from steps.command import count_or_percentage, positive, run_step
from steps.outputs import HELP, write_outputs

EXAMPLE = """\
example:
  python -m steps.split_yaml --dataset data/isic.yml --split test --shards 8 --run runs/isic-1
"""
RECORDED = ("device", "threads_per_step", "max_failed")


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
    store = open_store(run)
    model = _model(options, run)
    index, was_there = split_run(store, request)
    if options.record is not None and not store.exists(layout.RUN):
        store.put(layout.RUN, _record(options, run, index.dataset.sha256, model))
    for warning in index.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    write_outputs(options.outputs, {"shard-ids": json.dumps(index.ids)})
    print(("already split: " if was_there else "") + _words(index, run))
    return EXIT_DONE


def _model(options: argparse.Namespace, run: Location) -> str:
    """The digest of the model that is to be recorded; empty when there is none yet, for the run makes it."""
    if (options.record is None) != (options.model is None):
        raise UsageError("--record and --model go together")
    if options.model is None or Location.parse(options.model).is_within(run):
        return ""
    from imaging_core.models.card import read_bundle_card  # pydantic, which takes longer than splitting

    return read_bundle_card(Location.parse(options.model))[1]


def _record(options: argparse.Namespace, run: Location, dataset: str, model: str) -> bytes:
    parameters = options.record["parameters"] | {
        "dataset": str(Location.parse(options.dataset)),
        "model": str(Location.parse(options.model)),
        "run": str(run),
        "parallelism": options.shards,
        **{name: getattr(options, name) for name in ("split", "shards", "case_names", *RECORDED)},
    }
    pods = options.record["pods"] | ({} if options.memory is None else {"memory": options.memory})
    return record_json(Circumstances.now(), parameters, dataset, model, pods)


def _unasked(text: str) -> dict[str, dict[str, Any]]:
    """What a run's record holds of parameters and pods beside what the other options say."""
    try:
        value = json.loads(text)
        return {name: dict(value[name]) for name in ("parameters", "pods")}
    except (ValueError, KeyError, TypeError) as error:
        raise argparse.ArgumentTypeError("not the JSON object that a WorkflowTemplate of ours gives") from error


def _max_failed(text: str) -> str:
    """As it was typed, once it is right."""
    count_or_percentage(text)
    return text


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
    recorded = parser.add_argument_group(
        "a run that a form began",
        "Its run.json is written here, unless there is one. Nothing of it changes how the dataset is split.",
    )
    add = recorded.add_argument
    add("--record", type=_unasked, metavar="JSON", help="write it, with these parameters and settings of pods")
    add("--model", metavar="LOCATION", help="the model bundle")
    add("--device", default="auto", metavar="NAME", help="where the model runs (default: auto)")
    add("--threads-per-step", type=positive, default=1, metavar="N", help="of each step (default: 1)")
    add(
        "--max-failed",
        type=_max_failed,
        default="0",
        metavar="N",
        help="how many cases may fail: 5, or 2%% (default: 0)",
    )
    add("--memory", metavar="QUANTITY", help="of each infer pod")
    add = parser.add_argument
    add("--outputs", type=Path, metavar="FOLDER", help=f"{HELP}: shard-ids, a JSON list")
    return parser


if __name__ == "__main__":
    run_step(main)
