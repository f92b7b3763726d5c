"""``verify``: whether every file of a run is still what it was."""

import argparse
import json
import sys
from collections import Counter
from dataclasses import asdict

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from imaging_core.archive.verify import Verified, verify
from imaging_core.errors import EXIT_DONE, EXIT_NOT_ACCEPTABLE
from imaging_core.store import Location, open_store
from workflows.commands.workflow_options import add_json
from workflows.options import location
from workflows.removals import removals_in_words

MOST_SHOWN = 50

DESCRIPTION = """\
Read everything that a run was made from and has made, check it against the digests that were kept (in
ro-crate-metadata.json, shards/index.json, the summaries and the ledgers), and compute the metrics again from the
ledgers. Says what has changed, is missing, or does not belong there. Nothing is written.
"""
EPILOG = """\
examples:
  %(prog)s runs/isic-1
  %(prog)s s3://runs/isic-1 --json

exit codes:
  0 all is as it was; 1 something is not; 65 there is no run; 75 the store does not answer
"""


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``verify`` to the command line."""
    parser = commands.add_parser(
        "verify", help="check every digest of a run, and its metrics", description=DESCRIPTION, epilog=EPILOG
    )
    parser.add_argument("run", metavar="RUN", type=location, help="the run's location")
    add_json(parser)
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Check the run; the exit code says whether all is as it was."""
    root = Location.parse(arguments.run)
    columns = (TextColumn("verifying"), BarColumn(), MofNCompleteColumn(), TextColumn("files"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=None)
        found = verify(open_store(root), lambda done, total: shown.update(task, completed=done, total=total))
    if arguments.json:
        print(json.dumps({"run": str(root), "ok": found.ok, **asdict(found)}, ensure_ascii=False))
    else:
        sys.stdout.writelines(f"{line}\n" for line in _lines(root.for_person(), found))
    return EXIT_DONE if found.ok else EXIT_NOT_ACCEPTABLE


def _lines(where: str, found: Verified) -> list[str]:
    lines = [f"{each.state:<10}  {each.file}: {each.why}" for each in found.findings[:MOST_SHOWN]]
    if len(found.findings) > MOST_SHOWN:
        lines.append(f"… and {len(found.findings) - MOST_SHOWN:,} more; --json lists all")
    lines += removals_in_words(found.removals)
    if found.without_digest:
        lines.append(f"{found.without_digest:,} outputs are there, of which the version that wrote them kept no digest")
    lines.append(f"metrics: {found.metrics}")
    states = Counter(each.state for each in found.findings)
    wrong = ", ".join(f"{count:,} {state}" for state, count in sorted(states.items()))
    files = f"{found.sound:,} file{'' if found.sound == 1 else 's'} as they were"
    return [*lines, f"{where}: {'all is as it was' if found.ok else 'NOT as it was'}: {files}{wrong and ', ' + wrong}"]
