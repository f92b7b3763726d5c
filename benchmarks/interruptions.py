"""Interrupts runs at random moments and resumes them: ``python -m benchmarks.interruptions --times 200``.

In every round a seeded schedule sends SIGKILL, SIGTERM, SIGINT or SIGSTOP to the command, to one of its steps or to
what a step started, up to three times; the run is resumed, at once or when nothing of it is left, by one command or by
two; and all of its bytes, timing files, run.json and the report's pages aside, have to be those of an undisturbed run,
with no other file beside them. With ``--s3`` everything lies in a bucket of a MinIO server that this starts (``minio``
on PATH or in $CLUSTER_BIN). A run that differs is kept, and its seed gives the same schedule again.
"""

import argparse
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from imaging_core.errors import EXIT_TERMINATED
from tests.interruptions.place import make_place, place_in_a_bucket
from tests.interruptions.rounds import rounds
from tests.interruptions.timeline import PHASES
from tests.s3_server import path_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rounds; 1 when one of them did harm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10, help="how many rounds (default 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the first round; each gets the next one (default 0)")
    parser.add_argument("--s3", action="store_true", help="in a bucket of a MinIO server")
    parser.add_argument("--folder", type=Path, default=Path("build/interruptions"), help="default build/interruptions")
    options = parser.parse_args(arguments)
    if options.s3 and path_of("minio") is None:
        parser.error("minio is neither on PATH nor in $CLUSTER_BIN")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs would ignore it, and all below
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_TERMINATED))  # so that the server is stopped, too
    folder = options.folder.resolve() / ("s3" if options.s3 else "local")
    shutil.rmtree(folder, ignore_errors=True)
    harmed, signals, longest = 0, Counter[str](), 0.0
    with place_in_a_bucket(folder) if options.s3 else nullcontext(make_place(folder)) as place:
        for done in rounds(place, range(options.seed, options.seed + options.times)):
            print(done, flush=True)
            harmed += bool(done.problem)
            signals.update(done.phases)
            longest = max(longest, done.leaving)
    where = ", ".join(f"{signals[phase]} in {phase}" for phase in PHASES)
    print(f"{options.times} rounds, {harmed} with harm; {signals.total()} signals: {where}")
    print(f"longest time from SIGTERM or SIGINT to the end of the process: {longest:.1f} s")
    return 1 if harmed else 0


if __name__ == "__main__":
    sys.exit(main())
