"""Merge the shards' results into exact metrics, one table of all cases and one report."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from imaging_core import run
from imaging_core.errors import EXIT_DONE, EXIT_NOT_ACCEPTABLE
from imaging_core.metrics.merge import merge
from imaging_core.report.parquet import check_parquet, predictions_parquet
from imaging_core.report.regression import compare_with
from imaging_core.report.terminal import headline
from imaging_core.report.verdict import Rules
from imaging_core.report.write import Report, write_report
from imaging_core.store import Location, open_store
from steps.command import count_or_percentage, location, price, requirement, run_step
from steps.outputs import HELP, write_outputs

EPILOG = """\
Example:
  python -m steps.gather --run runs/isic --max-failed 2% --require 'iou.mean>=0.77' --no-regression runs/released

Writes report/report.html, report/ui/index.html, report/predictions.csv and report/metrics.json below the run, also
when the run is incomplete: the report then says what is missing. Exit code: 0 complete and acceptable, 1 written but
incomplete or not acceptable, 64 there is no such metric or class, 65 the results cannot be trusted (a case twice, a
damaged part, two models), or not be compared with the other run.
"""

ASKED = ("max_failed", "require_one_class", "patient", "group_by", "metric")
"""The options that decide what ``metrics.json`` holds: the provenance record keeps them."""


def main(arguments: Sequence[str] | None) -> int:
    """Gather one run; the exit code says whether it is complete and acceptable."""
    options = _parser().parse_args(arguments)
    store = open_store(Location.parse(options.run))
    store.sweep()
    if options.parquet:
        check_parquet()
    patient = options.patient or None
    merged = merge(store, names=options.case_names == "file", patient=patient, group_by=options.group_by or ())
    asked = {name: getattr(options, name) for name in ASKED} | {
        "patient": patient,
        "require": [each.text for each in options.require or ()],
        "no_regression": options.no_regression and options.no_regression.shown,
    }
    tables = {run.PREDICTIONS_PARQUET: predictions_parquet(merged)} if options.parquet else {}
    rules = Rules(options.max_failed, options.require_one_class, tuple(options.require or ()))
    regression = None
    if options.no_regression:
        regression = compare_with(options.no_regression, merged, rules.require, patient)
    report = write_report(
        store,
        merged,
        rules,
        options.price_per_hour,
        options.metric or (),
        regression=regression,
        asked=asked,
        tables=tables,
    )
    print(report.text)
    print(f"report: {store.root.join(run.REPORT_PAGE).for_person()}")
    write_outputs(options.outputs, _outputs(report))
    return EXIT_DONE if report.verdict.acceptable else EXIT_NOT_ACCEPTABLE


def _outputs(report: Report) -> dict[str, str | bytes]:
    """What Argo shows: cases in each state, the headline figure, how much slower than the mean the slowest shard was.

    And the page with its pictures.
    """
    cases = report.document["cases"]
    counts = {state: str(cases[state]) for state in ("expected", "done", "failed", "skipped", "missing")}
    pages = {f"report/{path}": data for path, data in report.ui.items()}
    slowest = {} if report.balance is None else {"slowest": f"{report.balance.ratio:.3f}"}
    return {**counts, "metric": headline(report.document), **slowest, **pages}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m steps.gather",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run", required=True, metavar="LOCATION", help="the run's prefix: shards/ and results/ below")
    parser.add_argument(
        "--max-failed",
        type=count_or_percentage,
        default=0,
        metavar="COUNT|PERCENT%",
        help="how many cases may fail before the run is not acceptable (default 0)",
    )
    parser.add_argument(
        "--require-one-class",
        action="store_true",
        help="not acceptable when the results come from more than one compute class",
    )
    parser.add_argument(
        "--require",
        action="append",
        type=requirement,
        metavar="EXPRESSION",
        help="not acceptable unless it holds: 'iou.mean>=0.77', 'recall[lesion]>=0.8', names as in metrics.json; "
        "an undefined figure does not; repeat for more",
    )
    parser.add_argument(
        "--no-regression",
        type=location,
        metavar="RUN",
        help="not acceptable when the figure that the report leads with, or a required one, is worse than that run's "
        "on the cases that both scored: the 95 %% interval of the paired difference lies wholly on the worse side",
    )
    parser.add_argument(
        "--patient",
        metavar="FEATURE",
        help="the feature that names a case's patient: 95 %% intervals then draw whole patients, not cases",
    )
    parser.add_argument(
        "--group-by",
        action="append",
        metavar="FEATURE",
        help="metrics also by the values of this feature, such as sex, age or scanner; repeat for more",
    )
    parser.add_argument(
        "--metric",
        action="append",
        metavar="NAME",
        help="only this metric and the one that the report leads with, by its name in metrics.json; repeat for more",
    )
    parser.add_argument(
        "--price-per-hour",
        type=price,
        metavar="PRICE",
        help="what the machine or GPU of one shard costs an hour, such as '2.50 EUR': the report says what was spent",
    )
    parser.add_argument(
        "--parquet",
        action="store_true",
        help="write report/predictions.parquet, too; needs pyarrow: pip install pyarrow",
    )
    parser.add_argument(
        "--outputs",
        type=Path,
        metavar="FOLDER",
        help=f"{HELP}: expected, done, failed, skipped, missing, metric, slowest; and report/, the page for Argo",
    )
    parser.add_argument(
        "--case-names",
        choices=("file", "index"),
        default="file",
        help="whether report and table name images as the dataset does, or by case id only (default file)",
    )
    return parser


if __name__ == "__main__":
    run_step(main)
