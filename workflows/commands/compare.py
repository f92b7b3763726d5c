"""``compare``: two or more runs on the same cases, with intervals of the differences and a test."""

import argparse
import json
from pathlib import Path

from imaging_core.errors import EXIT_DONE, ConfigurationError
from imaging_core.report.compared_runs import compare_runs
from imaging_core.report.comparison import document, lines, page
from imaging_core.store import Location
from workflows.options import location

DESCRIPTION = """\
Compare runs of the same dataset: every figure of the first run beside those of each other one, on the cases that both
scored. Intervals and the test are paired: the same cases are drawn for both runs.
"""
EPILOG = """\
examples:
  %(prog)s runs/isic-unet runs/isic-segnet
  %(prog)s runs/before runs/after --patient patient --save comparison.html

exit codes:
  0 compared; 64 the dataset has no such feature; 65 a run is missing, or they have nothing in common
"""


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``compare`` to the command line."""
    parser = commands.add_parser(
        "compare", help="paired differences between runs", description=DESCRIPTION, epilog=EPILOG
    )
    parser.add_argument("first", metavar="RUN", type=location, help="what the others are compared with")
    parser.add_argument("others", metavar="RUN", type=location, nargs="+", help="one or more other runs")
    parser.add_argument("--patient", metavar="FEATURE", help="draw whole patients: the feature that names a case's")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write a report there: one HTML file")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Compare, and say what was found."""
    others = [Location.parse(each) for each in arguments.others]
    first, compared = compare_runs(Location.parse(arguments.first), others, arguments.patient)
    if arguments.save:
        try:
            arguments.save.write_bytes(page(first, compared))
        except OSError as error:
            wrong = f"{arguments.save}: cannot be written: {error.strerror}; give another --save"
            raise ConfigurationError(wrong) from error
    if arguments.json:
        print(json.dumps(document(first, compared), ensure_ascii=False))
    else:
        print("\n".join(lines(first, compared)))
        if arguments.save:
            print(f"\nReport: {arguments.save.resolve().as_uri()}")
    return EXIT_DONE
