"""Everything below ``report/``, written whole and in an order that ends with ``metrics.json``."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from imaging_core import run
from imaging_core.archive.crate import make_crate
from imaging_core.metrics.baseline import baseline
from imaging_core.metrics.merge import Merged
from imaging_core.report import page
from imaging_core.report.cost import Price
from imaging_core.report.gallery import choose
from imaging_core.report.gates import judged
from imaging_core.report.pictures import draw
from imaging_core.report.predictions import predictions_csv
from imaging_core.report.regression import Regression
from imaging_core.report.terminal import summary
from imaging_core.report.timings import Balance, balance, cached, read_run_record, read_timings
from imaging_core.report.verdict import Rules, Verdict, next_commands
from imaging_core.report.view import Inputs, build
from imaging_core.store import Store


@dataclass(frozen=True, slots=True)
class Report:
    """What was written.

    Attributes:
        verdict: whether the run is complete and acceptable.
        document: the values of ``metrics.json``.
        text: the same for a terminal.
        balance: of the shards' times; None where none is known.
        ui: the page that Argo's artifact viewer shows, and its pictures: path below ``report/ui/`` to bytes.
    """

    verdict: Verdict
    document: Mapping[str, Any]
    text: str
    balance: Balance | None
    ui: Mapping[str, bytes]


def write_report(
    store: Store,
    merged: Merged,
    rules: Rules,
    price: Price | None = None,
    chosen: Collection[str] = (),
    *,
    regression: Regression | None = None,
    asked: Mapping[str, Any] | None = None,
    tables: Mapping[str, bytes] | None = None,
) -> Report:
    """Write ``predictions.csv``, both pages with their pictures, the provenance record, and last ``metrics.json``.

    With the price of a shard's machine the pages say what the run cost, with ``regression`` how far it is from its
    baseline. Pictures of an earlier report that this one does not show are removed. ``asked`` are the options by which
    the metrics can be computed again, for the provenance; ``tables`` are further files: key below the run to bytes.

    Raises:
        UsageError: a name in ``chosen``, or a figure in ``rules``, is none of this task; nothing is written.
    """
    verdict, document = judged(merged, rules, chosen, regression)
    constant = baseline(merged.cases) if merged.cases is not None else None
    report = {run.PREDICTIONS: predictions_csv(merged), **(tables or {})}
    recorded = store.exists(run.RUN)
    record = read_run_record(store)
    commands = next_commands(merged, verdict, str(store.root), recorded=recorded, cluster="pods" in record)
    groups = choose(merged)
    pictures = draw(store, merged, [row for group in groups for row in group.rows])
    times = read_timings(store, [entry.id for entry in merged.expected.index.shards])
    view = build(
        Inputs(
            merged=merged,
            verdict=verdict,
            document=document,
            constant=constant,
            groups=groups,
            pictures=pictures,
            times=times,
            price=price,
            record=record,
            location=str(store.root),
            commands=commands,
        )
    )
    shown = {
        f"{run.REPORT_UI_PICTURES}/{part['file']}": part["picture"].data
        for group in view["groups"]
        for case in group["cases"]
        for part in (case, *case["regions"])
        if part["picture"].data
    }
    ui = {**shown, run.REPORT_UI_PAGE: page.with_folder(view)}
    report |= {**ui, run.REPORT_PAGE: page.one_file(view)}
    for key, data in report.items():
        store.put(key, data)
    for key in list(store.list(f"{run.REPORT_UI_PICTURES}/")):
        if key not in ui:
            store.delete(key)
    metrics = run.to_json(document)
    store.put(run.CRATE, make_crate(store, merged, record, times, {**report, run.METRICS: metrics}, asked or {}))
    store.put(run.METRICS, metrics)
    missing = [merged.expected.id(row) for row in merged.rows("missing").tolist()]
    text = summary(document, verdict, constant, (merged.incomplete, missing), commands, cached(times))
    pages = {key.removeprefix(run.REPORT_UI): data for key, data in ui.items()}
    return Report(verdict, document, text, balance(times), pages)
