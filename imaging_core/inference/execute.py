"""Runs the pipeline over what is to be done of a shard: model, provenance, ledger, timing."""

import hashlib
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from torch import nn

from imaging_core import __version__, run
from imaging_core.decode.case import CaseError
from imaging_core.decode.registry import known_to
from imaging_core.errors import DataError
from imaging_core.inference.alone import run_within_memory
from imaging_core.inference.cache import Cache, open_cache, recipe_of
from imaging_core.inference.classification import ClassificationHead
from imaging_core.inference.compute_class import compute_class
from imaging_core.inference.device import Device, choose_device, device_errors, fix_algorithms
from imaging_core.inference.head import Head
from imaging_core.inference.ledger import Record
from imaging_core.inference.memory import container_limit, rare_collections, stay_within
from imaging_core.inference.network import Network
from imaging_core.inference.pipeline import Pipeline
from imaging_core.inference.progress import BatchLog, ProgressFile
from imaging_core.inference.recorder import Recorder
from imaging_core.inference.result import Result
from imaging_core.inference.segmentation import SegmentationHead
from imaging_core.inference.shard import Request, Work, tasks
from imaging_core.inference.signals import deferred_signals
from imaging_core.inference.stage_time import StageTime
from imaging_core.inference.stages import Settings, Stages
from imaging_core.inference.task import Task, Truth
from imaging_core.metrics.provenance import DIGEST_LENGTH
from imaging_core.models.bundle import load_model
from imaging_core.models.card import Card

if TYPE_CHECKING:
    from imaging_core.inference.dicom_results.maker import ResultsMaker


@device_errors()
def execute(request: Request, work: Work, say: Callable[[str], None], progress: ProgressFile) -> None:
    """Infer the cases of ``work`` that are to be done, and write their ledger parts.

    Raises:
        ConfigurationError: the device is not there, or there can be no cache at the location given.
        TemporaryError: the device failed.
        MemoryError: there is none for the model.
        DataError: the bundle's weights cannot be used.
        Whatever ends a stage of the pipeline.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    torch_device = choose_device(request.device)
    if torch_device.type == "cpu":  # a GPU's driver reserves addresses without end
        stay_within(container_limit())
    fix_algorithms(request.threads, work.card.precision)
    device = Device(torch_device, work.card.precision)
    card, digest, module = load_model(request.model, device.torch)
    if digest != work.model:
        raise DataError(f"{request.model}: the bundle changed while it was read; start again")
    for line in _left_to_cpu(module):
        say(line)
    machine = compute_class(device, request.threads, card)
    by = _write_provenance(request, work, machine)
    network, head = Network(card, module, device), _head(card, device, request)
    cache = None
    if request.cache is not None:
        recipe = recipe_of(digest, machine, request.limits, probabilities=request.probabilities)
        cache = open_cache(request.cache, recipe, head, say)
    beside = _dicom_results(request, card, digest)
    log = BatchLog(head.figure, card.batch, len(work.positions), say)
    recorder = Recorder(work.ledger, work.kept, work.again)

    def tell(results: Sequence[Result]) -> list[tuple[str, bytes]]:
        parts = recorder.tell({result.task.position: _record(result, by) for result in results})
        progress.show(recorder.finished)
        return parts

    limits = replace(request.limits, reduce_to=card.input.reduce_to, dicom=card.input.dicom, nan=card.input.nan)

    decoders = known_to(card.input.view, request.decoders)

    def pipeline(alone: bool) -> Pipeline:
        settings = Settings(1 if alone else request.threads, limits, decoders, alone)
        stages = Stages(card, network, head, device, settings, tell=tell, log=log, cache=cache, beside=beside)
        return Pipeline(stages, work.ledger.store.put, recorder.save)

    with deferred_signals() as pending, rare_collections():
        times = run_within_memory(pipeline, _to_infer(work), pending)
    seconds = time.monotonic() - clock
    for line in [] if beside is None else beside.left_out:
        say(line)
    if cache is not None:
        say(f"from the cache: {cache.hits} of {len(work.positions)} cases")
    _write_timing(request, work, device, started, seconds, times, cache)


def _left_to_cpu(module: nn.Module) -> Iterator[str]:
    """For the log: what an ONNX model does not compute on the GPU that it was opened for."""
    left = getattr(module, "left_to_cpu", None)
    if left:
        names = ", ".join(f"{name} ({count})" for name, count in sorted(left.items()))
        yield f"warning: onnxruntime computes {names} of this model on the CPU: it has none for this GPU"


def _head(card: Card, device: Device, request: Request) -> Head:
    if card.task == "segmentation":
        return SegmentationHead(
            card,
            device,
            request.limits,
            request.decoders,
            probabilities=request.probabilities,
            measures=request.measures,
        )
    return ClassificationHead(card, device)


def _dicom_results(request: Request, card: Card, digest: str) -> "ResultsMaker | None":
    if request.dicom_results is None:
        return None
    from imaging_core.inference.dicom_results.maker import ResultsMaker  # highdicom: a second that others save

    return ResultsMaker(card, digest, request.limits, request.dicom_results)


def _to_infer(work: Work) -> Iterator[Task | Result]:
    """The tasks; of cases that lack their ground truth that they failed."""
    for each in tasks(work):
        if isinstance(each, Task):
            yield each
        else:
            position, failure = each
            yield Result.of_failure(Task(position, work.ledger.cases[position], (), Truth()), failure)


def _record(result: Result, by: str) -> Record:
    if isinstance(result.end, CaseError):
        return _failed(result.task.case, result.end, by)
    fields, files = result.end.fields, result.end.files
    digests = {
        name: (hashlib.sha256(files[key]).hexdigest(), len(files[key]))
        for name, key in fields.get("outputs", {}).items()
    }
    return Record(
        case=result.task.case, state="done", by=by, size=result.size, inputs=result.inputs, digests=digests, **fields
    )


def _failed(case: str, failure: CaseError, by: str) -> Record:
    return Record(
        case=case, state="failed", by=by, kind=failure.kind, reason=failure.reason, temporary=failure.temporary
    )


def _write_provenance(request: Request, work: Work, machine: dict[str, Any]) -> str:
    """Write who infers; returns the digest that ledger lines say."""
    data = run.to_json(
        {
            "format": 1,
            "model": {"sha256": work.model, "card": work.card.model_dump(mode="json")},
            "code": __version__,
            "compute_class": machine,
        }
    )
    digest = hashlib.sha256(data).hexdigest()[:DIGEST_LENGTH]
    work.ledger.store.put(run.provenance(request.shard, digest), data)
    return digest


def _write_timing(
    request: Request,
    work: Work,
    device: Device,
    started: datetime,
    seconds: float,
    stages: dict[str, StageTime],
    cache: Cache | None,
) -> None:
    cases = len(work.positions)
    timing: dict[str, Any] = {
        "format": 1,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "cases": cases,
        "from_cache": None if cache is None else cache.hits,
        "cases_per_second": round(cases / seconds, 3),
        "host": platform.node(),
        "device": device.name,
        "threads": request.threads,
        "stages": {
            name: {each: round(value, 3) for each, value in asdict(time_of).items()} for name, time_of in stages.items()
        },
    }
    work.ledger.store.put(run.timing(request.shard), run.to_json(timing))
