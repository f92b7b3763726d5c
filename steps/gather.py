"""Merge the shards' results into exact metrics, one table of all cases and one report."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from imaging_core import run
from imaging_core.errors import EXIT_DONE, EXIT_NOT_ACCEPTABLE
from imaging_core.metrics.merge import merge
from imaging_core.report.parquet import check_parquet, predictions_parquet
from imaging_core.report.terminal import headline
from imaging_core.report.verdict import Rules
from imaging_core.report.write import Report, write_report
from imaging_core.store import Location, open_store
from steps.command import count_or_percentage, price, run_step
from steps.outputs import HELP, write_outputs

EPILOG = """\
Example:
  python -m steps.gather --run runs/isic --max-failed 2%

Writes report/report.html, report/ui/index.html, report/predictions.csv and report/metrics.json below the run, also
when the run is incomplete: the report then says what is missing. Exit code: 0 complete and acceptable, 1 written but
incomplete or not acceptable, 65 the results cannot be trusted (a case twice, a damaged part, two models).
"""


def main(arguments: Sequence[str] | None) -> int:
    """Gather one run; the exit code says whether it is complete and acceptable."""
    options = _parser().parse_args(arguments)
    store = open_store(Location.parse(options.run))
    store.sweep()
    if options.parquet:
        check_parquet()
    merged = merge(
        store, names=options.case_names == "file", patient=options.patient or None, group_by=options.group_by or ()
    )
    rules = Rules(options.max_failed, options.require_one_class)
    report = write_report(store, merged, rules, options.price_per_hour, options.metric or ())
    if options.parquet:
        store.put(run.PREDICTIONS_PARQUET, predictions_parquet(merged))
    print(report.text)
    print(f"report: {store.root.join(run.REPORT_PAGE).for_person()}")
    write_outputs(options.outputs, _outputs(report))
    return EXIT_DONE if report.verdict.acceptable else EXIT_NOT_ACCEPTABLE


def _outputs(report: Report) -> dict[str, str | bytes]:
    """What Argo's UI shows: the number of cases in each state, the headline figure, and the page with its pictures."""
    cases = report.document["cases"]
    counts = {state: str(cases[state]) for state in ("expected", "done", "failed", "skipped", "missing")}
    pages = {f"report/{path}": data for path, data in report.ui.items()}
    return {**counts, "metric": headline(report.document), **pages}


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
        help=f"{HELP}: expected, done, failed, skipped, missing, metric; and report/, the page as Argo shows it",
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
