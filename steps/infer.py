"""Infers one shard of a run: ``python -m steps.infer``."""

import argparse
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from imaging_core.decode.case import Limits
from imaging_core.errors import EXIT_DONE
from imaging_core.inference.dicom_results.asked import DicomResults
from imaging_core.inference.measured import Measures
from imaging_core.inference.shard import Request, infer_shard
from imaging_core.report.stages import profile, read_stages
from imaging_core.store import Location, open_store
from steps.command import distance, location, positive, run_step
from steps.outputs import HELP, write_outputs

EXAMPLE = """\
example:
  python -m steps.infer --run runs/isic-1 --shard 000 --model bundles/segnet --threads-per-step 2

A step that was killed is run again with the same arguments: it does only what is missing. The exit code is 0 when the
shard is complete, even with failed cases; steps.gather decides whether they are too many.
"""


def main(arguments: Sequence[str] | None) -> int:
    """Infer as the arguments say; returns the exit code."""
    options = _parser().parse_args(arguments)
    warnings.filterwarnings("ignore", module=r"PIL\.")  # they quote metadata, which may name patients
    request = Request(
        run=Location.parse(options.run),
        shard=options.shard,
        model=Location.parse(options.model),
        threads=options.threads_per_step,
        device=options.device,
        probabilities=options.probabilities,
        measures=Measures(options.surface_distances, options.lesions),
        dicom_results=options.dicom_results,
        cache=options.cache,
        limits=Limits(pixels=options.max_pixels, encoded_bytes=options.max_bytes),
        retry_failed=options.retry_failed,
    )
    say = _log()
    summary = infer_shard(request, say)
    say(_words(summary))
    counts = {state: str(summary[state]) for state in ("done", "failed")}
    write_outputs(options.outputs, {**counts, "seconds": f"{_age():.2f}"})
    if options.profile:
        for line in profile(read_stages(open_store(request.run), [request.shard])):
            say(line)
    return EXIT_DONE


def _age() -> float:
    """Seconds since this process began, its imports included: proc(5) has the start in clock ticks since boot."""
    began = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began


def _log() -> Callable[[str], None]:
    """Prints lines at once; a log that nobody reads any more is no reason to stop."""
    lost = False

    def say(line: str) -> None:
        nonlocal lost
        if lost:
            return
        try:
            print(f"{line}\n", end="", flush=True)  # written at once: several threads say something
        except OSError:
            lost = True

    return say


def _words(summary: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{summary[state]} {state}" for state in ("done", "failed", "skipped"))
    again = f" ({summary['temporary']} for a temporary reason: run again)" if summary["temporary"] else ""
    cases = f"{summary['samples']} case{'s' if summary['samples'] != 1 else ''}"
    return f"shard {summary['shard']}: {cases}, {counts}{again}"


def _parser() -> argparse.ArgumentParser:
    limits = Limits()
    parser = argparse.ArgumentParser(
        prog="python -m steps.infer",
        description="Infer the cases of one shard: masks and maps to outputs/, scores and counts to the ledger.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--run", required=True, metavar="LOCATION", help="the run's prefix, with the shards that split made")
    add("--shard", required=True, metavar="ID", help="which shard, as in shards/index.json: 000")
    add("--model", required=True, metavar="LOCATION", help="the model bundle's folder")
    add(
        "--threads-per-step",
        required=True,
        type=positive,
        metavar="T",
        help="threads for computing, for decoding and for writing, each; part of the compute class",
    )
    add(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto takes a GPU when there is one (default)"
    )
    add("--probabilities", action="store_true", help="write float32 probability maps too (segmentation)")
    add(
        "--surface-distances",
        type=distance,
        nargs="?",
        const=1.0,
        metavar="TOLERANCE",
        help="measure how far predicted and true borders lie apart, too: HD95, ASSD, and surface Dice with this "
        "tolerance (1 when it is left out), in mm of volumes whose spacing is known, else in pixels",
    )
    add("--lesions", action="store_true", help="count the lesions found, missed and imagined, too (segmentation)")
    add(
        "--dicom-results",
        choices=get_args(DicomResults),
        nargs="?",
        const="anonymous",
        help="write results of DICOM images as DICOM, too: segmentations (SEG) and reports (SR). They refer to their "
        "images by UID; identified ones take over name, birth date, accession number, … of the patient, anonymous ones "
        "(when it is left out) leave them empty",
    )
    add(
        "--cache",
        type=location,
        metavar="LOCATION",
        help="a folder or prefix, shared by runs: what is there is not inferred again, what is not is put there",
    )
    add(
        "--max-pixels",
        type=positive,
        default=limits.pixels,
        metavar="N",
        help=f"fail a case whose image has more pixels (default {limits.pixels})",
    )
    add(
        "--max-bytes",
        type=positive,
        default=limits.encoded_bytes,
        metavar="N",
        help=f"fail a case one of whose files is longer (default {limits.encoded_bytes})",
    )
    add("--profile", action="store_true", help="say how much each stage works and waits, and which one limits")
    add("--outputs", type=Path, metavar="FOLDER", help=f"{HELP}: done, failed, seconds")
    add("--retry-failed", action="store_true", help="do all failed cases again, not only those that failed temporarily")
    return parser


if __name__ == "__main__":
    run_step(main)
