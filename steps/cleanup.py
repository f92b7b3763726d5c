"""Removes old runs, or some of their outputs: ``python -m steps.cleanup``. Without ``--delete`` it only says what."""

import argparse
import json
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from typing import Any

from imaging_core.archive.cleanup import remove, remove_cached
from imaging_core.archive.removed import KINDS, WHOLE
from imaging_core.archive.retention import Candidate, Rule, Spared, find_runs, old_cached, select
from imaging_core.errors import EXIT_DONE, UsageError
from imaging_core.store import open_store
from steps.command import location, positive, run_step

DESCRIPTION = """\
Remove runs that are old, or some of their outputs. A run is a folder with a valid run.json directly below --runs (or
--runs itself); nothing else is looked at, no symbolic link is followed, and of a run only what runs write is removed.
"""
EPILOG = """\
examples:
  python -m steps.cleanup --runs s3://runs --older-than 30d --keep 5
      says which runs are older than 30 days and not among the newest five of their dataset and model
  python -m steps.cleanup --runs s3://runs --older-than 30d --keep 5 --delete
  python -m steps.cleanup --runs runs --what probabilities --what logs --older-than 7d --delete
  python -m steps.cleanup --cache s3://cache --older-than 90d --delete

Never removed: the last run of a dataset, model and split with an acceptable report; a run in which something was
written within a day and not gathered since; a run whose folder holds another run, or inputs that another run names.
What is removed of a run that stays is said in its removed.json, so that status and verify know. An interrupted
clean-up goes on when it is called again. In a bucket with versions, removed objects stay as old versions.

exit codes:
  0 done, or nothing to do; 64 usage; 75 the store does not answer; 78 it does not allow it; 130 Ctrl-C
"""
SECONDS = {"h": 3600, "d": 86400, "w": 7 * 86400}
MANY = 10_000
"""So many files of one run are told when they have gone."""


@dataclass(slots=True)
class Total:
    """What was, or would be, removed, and what stays."""

    removed: list[dict[str, Any]] = field(default_factory=list)
    kept: list[dict[str, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=lambda: Counter(files=0, bytes=0))


def main(arguments: Sequence[str] | None) -> int:
    """Clean up as the arguments say, or say what would be done."""
    options = _parser().parse_args(arguments)
    if options.runs is not None and options.older_than is None and options.keep is None:
        raise UsageError("give --older-than, --keep, or both: without them every run would go")
    if options.cache is not None and (options.older_than is None or options.keep is not None or options.what):
        raise UsageError("--cache goes with --older-than alone")
    now = datetime.now(UTC)
    say = (lambda _line: None) if options.json else _say
    deleting = options.delete == "yes"
    total = _cache(options, now, say) if options.cache is not None else _runs(options, now, say)
    again = _again(options)
    if options.json:
        document = {"deleted": deleting, "removed": total.removed, "kept": total.kept, **total.counts}
        print(json.dumps(document, ensure_ascii=False))
    else:
        for line in _conclusion(total, deleting, again):
            _say(line)
    return EXIT_DONE


def _runs(options: argparse.Namespace, now: datetime, say: Callable[[str], None]) -> Total:
    total = Total()
    runs, unread = find_runs(options.runs)
    say(f"{options.runs.for_person()}: {_plural(len(runs), 'run')}")
    for each in chain(unread, _selected(options, now)):
        if isinstance(each, Spared):
            say(f"kept {each.where.for_person()}: {each.why}")
            total.kept.append({"run": str(each.where), "why": each.why})
            continue
        where, files = each.run.where, len(each.entries)
        if options.delete == "yes":
            remove(each, now, partial(_told, files, say))
        words = f"begun {each.run.begun:%Y-%m-%d}, {_plural(files, 'file')}, {_size(each.size)}"
        what = "all" if each.kind == WHOLE else each.kind
        say(f"{'removed' if options.delete == 'yes' else 'would go'} {what} of {where.for_person()}: {words}")
        total.removed.append({"run": str(where), "kind": each.kind, "files": files, "bytes": each.size})
        total.counts.update(files=files, bytes=each.size)
    return total


def _selected(options: argparse.Namespace, now: datetime) -> Iterator[Candidate | Spared]:
    """Kind after kind, each by what is there when its turn has come."""
    for kind in dict.fromkeys(options.what or [WHOLE]):
        runs, _ = find_runs(options.runs)
        yield from select(runs, Rule(kind, options.older_than, options.keep or 0), now)


def _cache(options: argparse.Namespace, now: datetime, say: Callable[[str], None]) -> Total:
    total, store = Total(), open_store(options.cache)
    entries = old_cached(store, options.older_than, now)
    if options.delete == "yes":
        remove_cached(store, [each.key for each in entries], partial(_told, len(entries), say))
    if entries:
        found: dict[str, Any] = {"files": len(entries), "bytes": sum(each.size for each in entries)}
        total.removed.append({"cache": str(options.cache), **found})
        total.counts.update(found)
    return total


def _told(files: int, say: Callable[[str], None], gone: int) -> None:
    if gone % MANY == 0:
        say(f"  {gone:,} of {files:,} files")


def _conclusion(total: Total, deleted: bool, again: str) -> list[str]:
    if not total.removed:
        return ["Nothing is old enough to be removed."]
    size = f"{_plural(total.counts['files'], 'file')}, {_size(total.counts['bytes'])}"
    if deleted:
        return [f"Removed: {size}."]
    return [f"{size} would be removed. Nothing was: this was a dry run. To remove them:", f"  {again}"]


def _again(options: argparse.Namespace) -> str:
    words = ["python", "-m", "steps.cleanup"]
    words += ["--cache", str(options.cache)] if options.cache is not None else ["--runs", options.runs.for_person()]
    words += [word for kind in options.what or [] for word in ("--what", kind)]
    if options.older_than is not None:
        hours = int(options.older_than.total_seconds()) // SECONDS["h"]
        words += ["--older-than", f"{hours // 24}d" if hours % 24 == 0 else f"{hours}h"]
    words += ["--keep", str(options.keep)] if options.keep is not None else []
    return shlex.join([*words, "--delete"])


def _plural(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _size(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def _say(line: str) -> None:
    print(line, flush=True)


def age(text: str) -> timedelta:
    """``12h``, ``30d`` or ``4w``; argparse shows the error of anything else."""
    found = re.fullmatch(r"([0-9]{1,5})([hdw])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not an age, such as 12h, 30d or 4w")
    return timedelta(seconds=int(found[1]) * SECONDS[found[2]])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m steps.cleanup",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--runs", type=location, metavar="LOCATION", help="the folder or prefix that holds the runs")
    where.add_argument("--cache", type=location, metavar="LOCATION", help="a cache of runs, instead: its old entries")
    add = parser.add_argument
    add(
        "--what",
        action="append",
        choices=(WHOLE, *KINDS),
        help="what goes: whole runs (default), or of each run only its outputs (masks and maps), probabilities (maps "
        "only), logs, or shards (the run can then be neither gathered again nor compared); repeat for more",
    )
    add(
        "--older-than", type=age, metavar="AGE", help="only runs that began (entries that were written) longer ago: 30d"
    )
    add("--keep", type=positive, metavar="N", help="keep the newest N runs of each dataset, model and split")
    add(
        "--delete",
        nargs="?",
        choices=("yes", "no"),
        const="yes",
        default="no",
        help="remove it; without this (or with no) nothing is changed",
    )
    add("--json", action="store_true", help="one JSON object on stdout")
    return parser


if __name__ == "__main__":
    run_step(main)
