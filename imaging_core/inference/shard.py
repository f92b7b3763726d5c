"""One shard of a run, inferred: what stands is kept, what is missing is done, the summary completes it.

Torch is imported only when there is something to infer, so that a finished shard costs no more than reading its ledger.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from imaging_core import run
from imaging_core.dataset.index import ShardIndex, case_ids, read_index, read_shard
from imaging_core.dataset.sample import Dataset, Sample
from imaging_core.decode.case import CaseError, Decoder, Limits
from imaging_core.decode.registry import DECODERS
from imaging_core.errors import DataError, UsageError
from imaging_core.inference.dicom_results.asked import DicomResults
from imaging_core.inference.fit import check_fit
from imaging_core.inference.measured import Measures
from imaging_core.inference.progress import ProgressFile
from imaging_core.inference.recorder import write_summary
from imaging_core.inference.resume import Again, Kept, ShardLedger, read_kept
from imaging_core.inference.task import Task, Truth
from imaging_core.models.card import Card, read_bundle_card
from imaging_core.store import Location, Source, open_source, open_store

PROGRESS_FILE = "ARGO_PROGRESS_FILE"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of one step.

    Attributes:
        run: the run's prefix.
        shard: the shard's id.
        model: the bundle's folder.
        threads: for computing, for decoding and for finishing, each.
        device: ``auto``, ``cpu`` or ``cuda``.
        probabilities: whether to write probability maps.
        measures: what to take of scored masks beside counts.
        dicom_results: whether to write results of DICOM images as DICOM, too, and whether these say whose they are.
        cache: where what was inferred in other runs is found and kept; None for nowhere.
        limits: what one case may cost.
        retry_failed: whether to do all failed cases again.
        decoders: the formats that are known.
    """

    run: Location
    shard: str
    model: Location
    threads: int
    device: Literal["auto", "cpu", "cuda"] = "auto"
    probabilities: bool = False
    measures: Measures = Measures()  # noqa: RUF009 - it is frozen
    dicom_results: DicomResults | None = None
    cache: Location | None = None
    limits: Limits = Limits()  # noqa: RUF009 - it is frozen
    retry_failed: bool = False
    decoders: tuple[Decoder, ...] = DECODERS


@dataclass(frozen=True, slots=True)
class Work:
    """A shard, its model, and what is still to be done.

    Attributes:
        ledger: of the shard.
        index: of the run.
        shard: the shard as a dataset.
        model: digest of the bundle.
        again: which finished cases are done again.
        kept: what stands.
    """

    ledger: ShardLedger
    index: ShardIndex
    shard: Dataset
    card: Card
    model: str
    again: Again
    kept: Kept

    @property
    def positions(self) -> list[int]:
        """The cases to be done, in the shard's order."""
        return [position for position in range(len(self.ledger.cases)) if position not in self.kept.records]


def infer_shard(request: Request, say: Callable[[str], None]) -> Mapping[str, Any]:
    """Infer one shard, and complete it.

    Args:
        request: what is asked.
        say: prints a line of the log.

    Returns:
        The shard's summary.

    Raises:
        DataError: run, shard or bundle cannot be used, or do not belong together.
        UsageError: probability maps, surface distances or lesions of a classification model.
        Whatever ends a step: see :mod:`imaging_core.errors`.
    """
    work = open_work(request)
    progress = ProgressFile(_progress_file(), len(work.ledger.cases))
    if work.kept.summary is not None:
        say(f"shard {request.shard}: complete already")
        progress.show(len(work.ledger.cases), now=True)
        return work.kept.summary
    if work.kept.outdated:  # never one that another process, at work on the same shard by mistake, writes only now
        work.ledger.store.delete(run.summary(request.shard))
    if work.positions:
        from imaging_core.inference.execute import execute

        progress.show(len(work.kept.records), now=True)
        execute(request, work, say, progress)
    summary = write_summary(work.ledger, work.shard.sha256)
    progress.show(len(work.ledger.cases), now=True)
    return summary


def open_work(request: Request) -> Work:
    """Read what the step needs, check that it fits, and find out what stands."""
    store = open_store(request.run)
    index = read_index(store)
    shard = read_shard(store, request.shard)
    entry = next((entry for entry in index.shards if entry.id == request.shard), None)
    if entry is None or entry.sha256 != shard.sha256:
        raise DataError(
            f"{run.shard_file(request.shard)} is not what {run.SHARD_INDEX} lists; split again, into another --run"
        )
    card, model = read_bundle_card(request.model)
    cases = case_ids(shard)
    check_fit(card, index, shard, cases)
    if request.probabilities and card.task != "segmentation":
        raise UsageError("--probabilities is for segmentation; the scores of a classification are in the ledger")
    if request.measures and card.task != "segmentation":
        raise UsageError("--surface-distances and --lesions are for segmentation")
    if card.input.mpp is not None and (request.probabilities or request.measures):
        raise UsageError(
            "--probabilities, --surface-distances and --lesions want whole masks in memory, and this model sees "
            "slides; their heat maps are written without being asked for"
        )
    without = "probabilities" if request.probabilities else None
    again = Again(request.retry_failed, without, request.measures, request.dicom_results)
    ledger = ShardLedger(store, request.shard, cases, index.parts(len(cases)))
    kept = read_kept(ledger, shard.sha256, model, again)
    return Work(ledger, index, shard, card, model, again, kept)


def tasks(work: Work) -> Iterator[Task | tuple[int, CaseError]]:
    """The cases to be done, in order; with an error those that lack a ground truth that others have.

    Raises:
        DataError: a location that the run does not allow: the shard was edited.
    """
    allowed, folder = work.index.allowed, work.shard.location.parent

    def source(text: str, case: str) -> Source:
        location = Location.parse(text, folder)
        if not allowed.allows(location):
            raise DataError(f"case {case}: a file {allowed.refusal(location)}")
        return open_source(location)

    for position in work.positions:
        sample, case = work.shard.samples[position], work.ledger.cases[position]
        images = tuple([source(text, case) for text in sample.locations])
        label = sample.label
        truth = Truth(mask=source(label, case), images=images) if isinstance(label, str) else Truth(label=label)
        if work.index.labelled and (lacking := _no_ground_truth(work.card, sample)):
            yield position, lacking
        else:
            yield Task(position, case, images, truth)


def _no_ground_truth(card: Card, sample: Sample) -> CaseError | None:
    """What is wrong with a sample of a labelled dataset whose label is not of the model's kind."""
    if card.task == "segmentation":
        if isinstance(sample.label, str):
            return None
        what = "names no mask for this case" if sample.label is None else "gives this case a class"
        return CaseError("mask_missing", f"the dataset {what}, but masks for others")
    if isinstance(sample.label, tuple):
        return None
    what = "has no label for this case" if sample.label is None else "gives this case the path of a mask"
    return CaseError("label_missing", f"the dataset {what}, but classes for others")


def _progress_file() -> Path | None:
    name = os.environ.get(PROGRESS_FILE)
    return Path(name) if name else None
