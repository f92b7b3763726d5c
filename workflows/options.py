"""The options that say what a run does; ``run`` and ``render`` share them."""

import argparse
from collections.abc import Callable
from dataclasses import fields
from typing import Any, get_args

from imaging_core.errors import InferenceError
from imaging_core.inference.dicom_results.asked import DicomResults
from imaging_core.store import Location
from steps.command import count_or_percentage, distance, positive, price, requirement
from workflows.parameters import CaseNames, Device, Parameters, Policy

OWN_COMMAND = "python -m workflows.distributed_inference"
PARAMETERS = tuple(each.name for each in fields(Parameters))


def add_options(parser: argparse.ArgumentParser, *, run: str, shards: str, parallelism: str) -> None:
    """Add the options of a run. One that is not given is None: see :func:`given`.

    Args:
        parser: they are added to this one.
        run: what the help says of ``--run`` being left out.
        shards: the same of ``--shards``.
        parallelism: the same of ``--parallelism``.
    """
    what = parser.add_argument_group("what to do")
    what.add_argument("--dataset", type=location, metavar="LOCATION", help="dataset file (DTD YAML)")
    what.add_argument("--model", type=location, metavar="LOCATION", help="model bundle: a folder with model.yaml")
    what.add_argument("--split", metavar="NAME", help="the split to infer, or 'all' for every image (default: test)")
    what.add_argument("--run", type=location, metavar="LOCATION", help=f"where everything is written ({run})")
    what.add_argument("--allow-root", action="append", type=location, metavar="LOCATION", help=_ALLOW_ROOT)
    what.add_argument("--allow-http", action="append", metavar="HOST", help="a host that images may come from; repeat")

    how = parser.add_argument_group("how")
    how.add_argument("--shards", type=positive, metavar="N", help=f"how many shards to cut the split into ({shards})")
    how.add_argument("--parallelism", type=positive, metavar="P", help=f"how many steps run at once ({parallelism})")
    how.add_argument("--threads-per-step", type=positive, metavar="T", help=_THREADS)
    how.add_argument("--device", choices=get_args(Device), help="where the model runs (default: auto)")
    how.add_argument("--policy", choices=get_args(Policy), help=_POLICY)
    how.add_argument("--cache", type=location, metavar="LOCATION", help=_CACHE)
    how.add_argument("--max-pixels", type=positive, metavar="N", help="an image of more pixels is a failed case")
    how.add_argument("--max-bytes", type=positive, metavar="N", help="a file of more bytes is a failed case")

    result = parser.add_argument_group("the result")
    result.add_argument("--max-failed", type=_count_or_percentage, metavar="N|N%", help=_MAX_FAILED)
    result.add_argument("--require-one-class", action="store_true", default=None, help=_ONE_CLASS)
    result.add_argument("--require", action="append", type=_requirement, metavar="EXPRESSION", help=REQUIRE)
    result.add_argument("--no-regression", type=location, metavar="RUN", help=NO_REGRESSION)
    result.add_argument("--patient", metavar="FEATURE", help=_PATIENT)
    result.add_argument("--group-by", action="append", metavar="FEATURE", help=_GROUP_BY)
    result.add_argument("--metric", action="append", metavar="NAME", help=_METRIC)
    result.add_argument("--price-per-hour", type=_price, metavar="PRICE", help=_PRICE)
    result.add_argument("--probabilities", action="store_true", default=None, help="write probability maps too")
    result.add_argument(
        "--surface-distances", type=distance, nargs="?", const=1.0, metavar="TOLERANCE", help=_SURFACE_DISTANCES
    )
    result.add_argument("--lesions", action="store_true", default=None, help=_LESIONS)
    result.add_argument(
        "--dicom-results", choices=get_args(DicomResults), nargs="?", const="anonymous", help=_DICOM_RESULTS
    )
    result.add_argument("--case-names", choices=get_args(CaseNames), help=_CASE_NAMES)
    result.add_argument("--retry-failed", action="store_true", default=None, help=_RETRY_FAILED)


_ALLOW_ROOT = "a folder or prefix besides the dataset's own that images may lie in; repeat for more"
_THREADS = (
    "CPU threads of each step (default: 1). Other values may change the last bits of scores; parallelism never does"
)
_POLICY = "how images are dealt out: balanced by size (default), or as the original split-yaml grouped them (reference)"
_CACHE = "a folder or prefix, shared by runs: what one of them inferred the others take from there (default: none)"
_MAX_FAILED = (
    "how many cases may fail before the result is not acceptable (exit 1), a count or a percentage (default: 0)"
)
_ONE_CLASS = "results from different hardware or library versions are not acceptable"
REQUIRE = (
    "not acceptable (exit 1) unless it holds: 'iou.mean>=0.77', 'recall[lesion]>=0.8', names as in metrics.json; "
    "an undefined figure does not; repeat for more"
)
NO_REGRESSION = (
    "not acceptable when the figure that the report leads with, or a required one, is worse than that run's: the 95 %% "
    "interval of the paired difference, as compare gives it, lies wholly on the worse side"
)
_PATIENT = "the feature that names a case's patient: 95 %% intervals then draw whole patients, not cases"
_GROUP_BY = "metrics also by the values of this feature, such as sex, age or scanner; repeat for more"
_METRIC = "only this metric and the one that the report leads with, by its name in metrics.json; repeat for more"
_PRICE = "what the machine or GPU of one shard costs an hour, such as '2.50 EUR': the report says what was spent"
_SURFACE_DISTANCES = (
    "segmentation: HD95, ASSD, and surface Dice with this tolerance (1 when it is left out), in mm where a spacing is "
    "known, else in pixels; more work"
)
_LESIONS = "segmentation: which lesions (connected components) are found; more work"
_DICOM_RESULTS = (
    "write results of DICOM images as DICOM, too: segmentations and structured reports; anonymous (when it is left "
    "out), or with the patient's name, birth date, accession number, … (identified)"
)
_CASE_NAMES = "name cases in reports by their file (default), or by index only: file names may hold patients' names"
_RETRY_FAILED = "also try cases again that failed for a lasting reason"


def given(arguments: argparse.Namespace) -> dict[str, Any]:
    """The parameters that the command line names, by their names in :class:`Parameters`."""
    named = {name: getattr(arguments, name) for name in PARAMETERS}
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in named.items() if value is not None
    }


def location(text: str) -> str:
    """A full location, whatever folder the command is called from; argparse shows the error of anything else."""
    try:
        full = Location.parse(text)
    except InferenceError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if "@" in full.host:
        raise argparse.ArgumentTypeError(f"{full.scheme}://…@…: run.json would keep the password; leave it out")
    return str(full)


def _checked(check: Callable[[str], object]) -> Callable[[str], str]:
    def text_of(text: str) -> str:
        check(text)
        return text

    return text_of


_count_or_percentage = _checked(count_or_percentage)
_price = _checked(price)
_requirement = _checked(requirement)
