"""From the command line of ``submit`` and ``resume`` to a Workflow on a cluster."""

import argparse
import os
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from imaging_core import run
from imaging_core.errors import DataError, UsageError
from imaging_core.store import Location
from imaging_core.store.base import Store
from imaging_core.store.location import FILE, S3
from workflows import options, pod_options
from workflows.arguments import arguments_of
from workflows.checks import Inputs, check_inputs
from workflows.distributed_inference import distributed_inference
from workflows.manifest import to_manifest
from workflows.parameters import Parameters, option
from workflows.pods import Pods
from workflows.request import record_run, resumed_run, unused_store
from workflows.upload import Upload, plan_upload

DEFAULT_SHARDS = 8
SUFFIX_BYTES = 3
NEEDED = ("dataset", "model", "run")


@dataclass(frozen=True, slots=True)
class Submission:
    """What is to be submitted.

    Attributes:
        parameters: as pods see them.
        inputs: the dataset and the model, read from where the command line names them.
        missing: for a run whose split is complete, the shards to infer; None for a new run.
        upload: what has to be brought to the run first; None for a run that was begun.
    """

    parameters: Parameters
    pods: Pods
    inputs: Inputs
    store: Store
    missing: Sequence[str] | None
    upload: Upload | None

    def manifest(self) -> dict[str, Any]:
        """The Workflow, by a name of its own: who creates it twice by mistake makes one."""
        manifest = to_manifest(distributed_inference(self.parameters, self.pods, self.missing))
        prefix = manifest["metadata"].pop("generateName")
        manifest["metadata"]["name"] = f"{prefix}{secrets.token_hex(SUFFIX_BYTES)}"
        return manifest

    def in_bucket(self) -> dict[str, str]:
        """``dataset`` and ``model`` to their SHA-256, when they are there already and not uploaded first."""
        digests = {"dataset": self.inputs.dataset, "model": self.inputs.model}
        return {name: each.sha256 for name, each in digests.items() if each.location.scheme != FILE}

    def record(self) -> None:
        """Write a new run's ``run.json``."""
        if self.upload is not None:
            record_run(self.store, self.parameters, self.inputs, self.pods)

    def forget(self) -> None:
        """Take a new run's ``run.json`` back, after the cluster has refused it."""
        if self.upload is not None:
            self.store.delete(run.RUN)


def new_submission(arguments: argparse.Namespace) -> Submission:
    """Read what a new run needs; nothing is written.

    Raises:
        UsageError: an option is missing, pods cannot reach a location, or the run's location already holds a run.
        DataError: the dataset or the model cannot be used.
    """
    given = options.given(arguments)
    if absent := [option(name) for name in NEEDED if name not in given]:
        raise UsageError(f"{', '.join(absent)} missing; see {options.OWN_COMMAND} submit --help")
    if "retry_failed" in given:
        raise UsageError(f"--retry-failed goes with {options.OWN_COMMAND} resume: in a new run nothing has failed yet")
    given.setdefault("shards", given.get("parallelism", DEFAULT_SHARDS))
    given.setdefault("parallelism", given["shards"])
    parameters = Parameters(**given)
    _check_bucket(parameters)
    pods = Pods(**_with_environment(pod_options.given(arguments)))
    store = unused_store(parameters, f"{options.OWN_COMMAND} resume")
    inputs = check_inputs(parameters)
    upload = plan_upload(parameters, inputs, images=arguments.upload_images)
    return Submission(upload.changed(parameters), pods, inputs, store, None, upload)


def resumed_submission(arguments: argparse.Namespace) -> Submission:
    """Read what a run was asked to do and how far it is; pods run as they did, but for the options that are given.

    Raises:
        UsageError: an option contradicts ``run.json``, or nothing is left to do.
        MissingError: there is no run.
        DataError: the dataset or the model is not the one that the run was begun with.
    """
    request = resumed_run(arguments)
    state = request.state
    _check_bucket(request.parameters)
    for name in ("dataset", "model"):
        if Location.parse(getattr(request.parameters, name)).scheme == FILE:
            raise UsageError(
                f"{request.store.root.for_person()}: was begun on one machine, with a {name} that pods cannot read; "
                f"continue it there: {request.resume}"
            )
    if state is not None and state.finished and not request.missing:
        where = shlex.quote(request.store.root.for_person())
        raise UsageError(f"{where}: nothing is left to do; see {options.OWN_COMMAND} report {where}")
    recorded = state.record.pods if state is not None and state.record is not None else None
    if recorded is None:
        pods = Pods(**_with_environment(pod_options.given(arguments)))
    else:
        pods = replace(recorded, **pod_options.given(arguments))
    return Submission(request.parameters, pods, request.inputs, request.store, request.missing, None)


def run_of(workflow: Mapping[str, Any]) -> str:
    """The location of the run that a workflow of ours is about; DataError when it is none of ours."""
    if run_location := arguments_of(workflow).get("run"):
        return run_location
    raise DataError(f"workflow {workflow['metadata']['name']}: not one of ours, it has no parameter run")


def _check_bucket(parameters: Parameters) -> None:
    if Location.parse(parameters.run).scheme != S3:
        raise UsageError(
            f"--run {parameters.run}: pods of a cluster write to a bucket; give s3://bucket/key "
            f"({options.OWN_COMMAND} run works on this machine's disk)"
        )
    baseline = parameters.no_regression
    if baseline is not None and Location.parse(baseline).scheme == FILE:
        raise UsageError(f"--no-regression {baseline}: pods cannot see this machine's folders; give s3://bucket/key")


def _with_environment(given: Mapping[str, Any]) -> dict[str, Any]:
    """Pods reach S3 as this machine does, unless it is said otherwise."""
    environment = {
        "s3_endpoint": os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"),
        "s3_region": os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
    }
    return {name: value for name, value in environment.items() if value} | dict(given)
