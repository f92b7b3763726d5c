"""``compare``: two or more runs on the same cases, with intervals of the differences and a test."""

import argparse
import json
from pathlib import Path

from imaging_core import run as layout
from imaging_core.errors import EXIT_DONE, ConfigurationError, DataError, MissingError, UsageError
from imaging_core.metrics.comparison import compare
from imaging_core.metrics.merge import Merged, merge
from imaging_core.report.comparison import Compared, document, lines, page
from imaging_core.store import Location, open_store
from workflows.options import OWN_COMMAND, location

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
    if arguments.first in arguments.others:
        raise UsageError(f"{arguments.first}: is compared with itself; give another run")
    first, first_merged = _read(arguments.first, arguments.patient)
    others = []
    for each in arguments.others:
        run, merged = _read(each, arguments.patient)
        try:
            others.append((run, compare(first_merged, merged)))
        except DataError as error:
            raise DataError(f"{first.location} and {run.location}: {error}") from error
    if arguments.save:
        try:
            arguments.save.write_bytes(page(first, others))
        except OSError as error:
            wrong = f"{arguments.save}: cannot be written: {error.strerror}; give another --save"
            raise ConfigurationError(wrong) from error
    if arguments.json:
        print(json.dumps(document(first, others), ensure_ascii=False))
    else:
        print("\n".join(lines(first, others)))
        if arguments.save:
            print(f"\nReport: {arguments.save.resolve().as_uri()}")
    return EXIT_DONE


def _read(text: str, patient: str | None) -> tuple[Compared, Merged]:
    root = Location.parse(text)
    store = open_store(root)
    if not store.exists(layout.SHARD_INDEX):
        raise MissingError(f"{root.for_person()}: holds no run; {OWN_COMMAND} list shows those of a cluster")
    merged = merge(store, names=False, patient=patient)
    return Compared(root.for_person(), merged.model.card.name if merged.model else "no model"), merged
