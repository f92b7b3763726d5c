"""Finds the dataset files that have not been inferred yet: ``python -m steps.find_datasets``."""

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from imaging_core import run
from imaging_core.dataset.dtd import read_bytes
from imaging_core.errors import EXIT_DONE
from imaging_core.store import Location, open_store
from steps.command import location, positive, run_step
from steps.outputs import HELP, write_outputs

ENDINGS = (".yml", ".yaml")
DIGITS = 16
"""Of a file's SHA-256, in the name of its run."""

DESCRIPTION = """\
List the dataset files (*.yml, *.yaml) below a prefix whose run has no report yet. The run of a file lies below --runs
under the digest of its bytes: a file that is copied or renamed is not inferred again, one that was changed is.
"""
EXAMPLE = """\
example:
  python -m steps.find_datasets --datasets s3://data/incoming --runs s3://runs/incoming
"""


def main(arguments: Sequence[str] | None) -> int:
    """Find as the arguments say; returns the exit code."""
    options = _parser().parse_args(arguments)
    known, new = 0, dict[Location, Location]()
    for key in open_store(options.datasets).list():
        if not key.endswith(ENDINGS):
            continue
        dataset = options.datasets.below(key)
        where = options.runs.join(hashlib.sha256(read_bytes(dataset)).hexdigest()[:DIGITS])
        if where in new or open_store(where).exists(run.METRICS):
            known += 1
        else:
            new[where] = dataset
    taken = list(new.items())[: options.most]
    write_outputs(options.outputs, {"new": json.dumps([{"dataset": str(of), "run": str(at)} for at, of in taken])})
    for at, of in taken:
        print(f"new: {of.for_person()}, run {at.for_person()}")
    later = f", {len(new) - len(taken)} more the next time" if len(new) > len(taken) else ""
    print(f"{len(taken)} to infer{later}; {known} inferred already, in {options.datasets.for_person()}")
    return EXIT_DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m steps.find_datasets",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--datasets", required=True, type=location, metavar="LOCATION", help="the prefix that is looked through")
    add("--runs", required=True, type=location, metavar="LOCATION", help="the prefix below which the runs lie")
    add("--most", type=positive, default=20, metavar="N", help="name so many at most, first by name (default: 20)")
    add("--outputs", type=Path, metavar="FOLDER", help=f"{HELP}: new, a JSON list of dataset and run")
    return parser


if __name__ == "__main__":
    run_step(main)
