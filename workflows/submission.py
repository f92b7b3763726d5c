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
from imaging_core.store import Location, open_store
from imaging_core.store.base import Store
from imaging_core.store.location import FILE, S3
from workflows import options, pod_options
from workflows.arguments import arguments_of
from workflows.checks import Inputs, check_inputs
from workflows.distributed_inference import NAME, distributed_inference
from workflows.manifest import to_manifest
from workflows.parameters import Parameters, option
from workflows.pods import Pods
from workflows.request import record_run, resumed_run, unused_store
from workflows.run_record import read_record
from workflows.templates.filled_in import FilledIn, default_shards
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
        pods: their settings; where a WorkflowTemplate has them, its form as it is filled in.
        missing: for a run whose split is complete, the shards to infer; None for a new run.
        upload: what has to be brought to the run first; None for a run that was begun.
    """

    parameters: Parameters
    pods: Pods | FilledIn
    inputs: Inputs
    store: Store
    missing: Sequence[str] | None
    upload: Upload | None

    def manifest(self) -> dict[str, Any]:
        """The Workflow, by a name of its own: who creates it twice by mistake makes one."""
        name = f"{NAME}-{secrets.token_hex(SUFFIX_BYTES)}"
        if isinstance(self.pods, FilledIn):
            return self.pods.manifest(name)
        manifest = to_manifest(distributed_inference(self.parameters, self.pods, self.missing))
        del manifest["metadata"]["generateName"]
        manifest["metadata"]["name"] = name
        return manifest

    def in_bucket(self) -> dict[str, str]:
        """``dataset`` and ``model`` to their SHA-256, when they are there already and not uploaded first."""
        digests = {"dataset": self.inputs.dataset, "model": self.inputs.model}
        return {name: each.sha256 for name, each in digests.items() if each.location.scheme != FILE}

    def record(self) -> None:
        """Write a new run's ``run.json``; that of a WorkflowTemplate's run is written by its split."""
        if self.upload is not None and isinstance(self.pods, Pods):
            record_run(self.store, self.parameters, self.inputs, self.pods)

    def forget(self) -> None:
        """Take a new run's ``run.json`` back, after the cluster has refused it."""
        if self.upload is not None and isinstance(self.pods, Pods):
            self.store.delete(run.RUN)


def new_submission(arguments: argparse.Namespace) -> Submission:
    """Read what a new run needs; nothing is written.

    Raises:
        UsageError: an option is missing, pods cannot reach a location, or the run's location already holds a run.
        DataError: the dataset or the model cannot be used.
    """
    given = _given(arguments)
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


def templated_submission(arguments: argparse.Namespace, template: Mapping[str, Any]) -> Submission:
    """Read what a run of a WorkflowTemplate needs; nothing is written. A run that was begun already goes on.

    Args:
        arguments: the command line.
        template: the WorkflowTemplate, as the cluster has it.

    Raises:
        UsageError: an option is missing, is not for the template to say, or contradicts the run that is there.
        ConfigurationError: the template is not one of ours.
        DataError: the dataset or the model cannot be used.
    """
    given = _given(arguments)
    filled = FilledIn.of(template, given | pod_options.given(arguments))
    shards = given.setdefault("shards", default_shards(template, DEFAULT_SHARDS))
    parameters = Parameters(**given, parallelism=shards)
    _check_bucket(parameters)
    store = open_store(Location.parse(parameters.run))
    inputs = check_inputs(parameters)
    if store.exists(run.RUN):
        _check_same_run(store, parameters, inputs)
    upload = plan_upload(parameters, inputs, images=arguments.upload_images)
    parameters = upload.changed(parameters)
    return Submission(parameters, filled.for_run(parameters), inputs, store, None, upload)


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


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    given = options.given(arguments)
    if absent := [option(name) for name in NEEDED if name not in given]:
        raise UsageError(f"{', '.join(absent)} missing; see {options.OWN_COMMAND} submit --help")
    return given


def _check_same_run(store: Store, parameters: Parameters, inputs: Inputs) -> None:
    record = read_record(store)
    asked = {
        "dataset": (inputs.dataset.sha256, record.dataset),
        "model": (inputs.model.sha256, record.model or inputs.model.sha256),
        **{name: (getattr(parameters, name), getattr(record.parameters, name)) for name in ("split", "shards")},
    }
    if others := [option(name) for name, (now, then) in asked.items() if now != then]:
        where = store.root.for_person()
        raise UsageError(f"{where}: holds a run with another {', '.join(others)}; choose another --run")


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
