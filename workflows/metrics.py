"""What Argo's controller tells Prometheus of runs; manifests/monitoring has alarms and a dashboard made of it.

All have the namespace as a label, so that each team sees its own; none has a run's name, of which there is no end.
"""

from collections.abc import Sequence

from hera.workflows.models import Counter, Histogram, MetricLabel, Metrics, Prometheus

from workflows.manifest import model

PREFIX = "distributed_inference"
SHARD_SECONDS = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21600.0)
SLOWEST_SHARD = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
OF_GATHER = {"missing": "0", "slowest": "1"}
"""Outputs of gather that are figures, whatever becomes of it: Argo cannot leave out a metric for want of a value."""
NAMESPACE = ("namespace", "{{workflow.namespace}}")


def of_workflow() -> Metrics:
    """How runs ended: Succeeded, Failed (not acceptable, too) or Error."""
    return model(Metrics, prometheus=[_counter("runs", "Runs that ended", "1", {"status": "{{workflow.status}}"})])


def of_infer(gpus: int, gpus_held: str) -> Metrics:
    """Cases done and failed, seconds per shard, seconds that GPUs were held.

    ``gpus`` is how many an infer pod may have, ``gpus_held`` how many it has: a number, or an expression of Argo.
    Argo's own duration counts from when a pod was asked for, and so the waiting for a GPU, too; the step's does not.
    """
    done, failed = (
        _counter(
            f"cases_{state}",
            f"Cases {state}, by shard that ended",
            f"{{{{outputs.parameters.{state}}}}}",
            when="{{status}} == Succeeded",
        )
        for state in ("done", "failed")
    )
    seconds = _histogram(
        "shard_seconds",
        "Duration of a shard, waiting for its pod included",
        "{{duration}}",
        SHARD_SECONDS,
        {"status": "{{status}}"},
    )
    seconds_held = f"{{{{=asFloat(outputs.parameters.seconds) * {gpus_held}}}}}"
    held = _counter(
        "gpu_seconds",
        "Seconds for which GPUs were held by shards that ended",
        seconds_held,
        when="{{status}} == Succeeded",
    )
    return model(Metrics, prometheus=[done, failed, seconds, *([held] if gpus else [])])


def of_gather() -> Metrics:
    """Cases that are missing when a run ends, and how much slower than the mean its slowest shard was.

    Also of a run that is not acceptable; of a step that broke before it knew, the outputs' defaults count: none are
    missing, and all are as fast.
    """
    missing, slowest = (f"{{{{outputs.parameters.{name}}}}}" for name in OF_GATHER)
    words = "Time of a run's slowest shard, as a multiple of the mean"
    return model(
        Metrics,
        prometheus=[
            _counter("cases_missing", "Cases that are missing when a run ends", missing),
            _histogram("slowest_shard", words, slowest, SLOWEST_SHARD, {}),
        ],
    )


def _labels(labels: dict[str, str]) -> list[MetricLabel]:
    return [model(MetricLabel, key=key, value=value) for key, value in (NAMESPACE, *labels.items())]


def _counter(
    name: str, words: str, value: str, labels: dict[str, str] | None = None, when: str | None = None
) -> Prometheus:
    return model(
        Prometheus,
        name=f"{PREFIX}_{name}",
        help=words,
        when=when,
        labels=_labels(labels or {}),
        counter=model(Counter, value=value),
    )


def _histogram(name: str, words: str, value: str, buckets: Sequence[float], labels: dict[str, str]) -> Prometheus:
    return model(
        Prometheus,
        name=f"{PREFIX}_{name}",
        help=words,
        labels=_labels(labels),
        histogram=model(Histogram, value=value, buckets=list(buckets)),
    )
