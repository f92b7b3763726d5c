"""Compares runs of the same dataset: ``python -m steps.compare``."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from imaging_core.errors import EXIT_DONE
from imaging_core.report.compared_runs import compare_runs
from imaging_core.report.comparison import document, lines, page
from imaging_core.run import to_json
from imaging_core.store import Location
from steps.command import location, run_step
from steps.outputs import HELP, write_outputs

PAGE = "comparison.html"
DOCUMENT = "comparison.json"

EXAMPLE = """\
example:
  python -m steps.compare --first s3://runs/unet --others s3://runs/segnet,s3://runs/unet-2 --outputs build

On a terminal, python -m workflows.distributed_inference compare says the same. Exit code: 0 compared, 64 the dataset
has no such feature, 65 a run is missing, or they have nothing in common.
"""


def main(arguments: Sequence[str] | None) -> int:
    """Compare as the arguments say; returns the exit code."""
    options = _parser().parse_args(arguments)
    compared = compare_runs(options.first, options.others, options.patient or None)
    print("\n".join(lines(*compared)))
    write_outputs(options.outputs, {PAGE: page(*compared), DOCUMENT: to_json(document(*compared))})
    return EXIT_DONE


def _locations(text: str) -> list[Location]:
    return [location(each.strip()) for each in text.split(",")]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m steps.compare",
        description="Every figure of the first run beside those of each other one, on the cases that both scored,\n"
        "with intervals of the differences and a paired test.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--first", required=True, type=location, metavar="RUN", help="what the others are compared with")
    add("--others", required=True, type=_locations, metavar="RUN,RUN,…", help="one or more other runs")
    add("--patient", metavar="FEATURE", help="draw whole patients: the feature that names a case's (empty: cases)")
    add("--outputs", type=Path, metavar="FOLDER", help=f"{HELP}; and {PAGE} and {DOCUMENT}")
    return parser


if __name__ == "__main__":
    run_step(main)
