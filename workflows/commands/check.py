"""``check``: whether a submission would work, before it is made."""

import argparse
from collections.abc import Iterator

from rich.console import Console

from imaging_core import __version__
from imaging_core.errors import ConfigurationError, InferenceError, MissingError
from workflows import pod_options
from workflows.cluster.api import WorkflowApi
from workflows.cluster.connection import connect, kubernetes_beside
from workflows.cluster.findings import Finding, tell, wrong
from workflows.commands.workflow_options import add_json, add_namespace
from workflows.distributed_inference import NAME
from workflows.options import OWN_COMMAND, add_options
from workflows.submission import DEFAULT_SHARDS, Submission, new_submission, templated_submission
from workflows.templates.filled_in import FilledIn

DESCRIPTION = """\
Look for what would make a submission fail: the dataset and the model, permissions, service account, secrets, images,
room on the nodes, and, by two short pods with the run's own settings, whether these can read the inputs and write the
results. Takes the options of submit; nothing of it stays on the cluster.
"""
EPILOG = """\
example:
  %(prog)s --dataset s3://data/isic/isic.yml --model s3://models/unet --run s3://runs/isic-1 --s3-secret credentials

exit codes:
  0 nothing is wrong; 78 something is, with its fix; 64 usage; 65 bad data
"""
ARGO_VERSIONS = ("v3.7", "v4.")
FROM_TEMPLATE = (
    f"by the namespace's WorkflowTemplate {NAME}, with its images, secrets and limits: takes only the options that its "
    "form asks for, and works where the cluster runs nothing but templates"
)


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``check`` to the command line."""
    parser = commands.add_parser(
        "check",
        help="look for what would make a submission fail",
        usage=f"{OWN_COMMAND} check --dataset LOCATION --model LOCATION --run s3://BUCKET/KEY [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    add_options(parser, run="needed: s3://bucket/key", shards=f"default: {DEFAULT_SHARDS}", parallelism="default: all")
    parser.add_argument("--upload-images", action="store_true", help="as submit would")
    parser.add_argument("--from-template", action="store_true", help=FROM_TEMPLATE)
    pod_options.add_pod_options(parser)
    add_namespace(parser)
    add_json(parser)
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Print what was found."""
    console = Console(stderr=True, highlight=False)
    submission = submission_of(arguments)
    api = connect(arguments.namespace)
    console.print(f"checking {api.describe()} (half a minute) …", markup=False, soft_wrap=True)
    return tell(findings(api, submission), as_json=arguments.json, before="submitting")


def submission_of(arguments: argparse.Namespace) -> Submission:
    """What the command line asks for; with ``--from-template`` the cluster is asked for the template."""
    if not arguments.from_template:
        return new_submission(arguments)
    api = connect(arguments.namespace)
    try:
        template = api.template(NAME)
    except MissingError as error:
        raise ConfigurationError(f"{error}; python -m workflows.install apply -n {api.namespace} makes it") from error
    return templated_submission(arguments, template)


def check_before(api: WorkflowApi, submission: Submission, console: Console) -> None:
    """The same before a submission; ConfigurationError says what is wrong."""
    console.print("checking (half a minute; --no-check skips it) …", markup=False, soft_wrap=True)
    found = list(findings(api, submission))
    for finding in found:
        if finding.state == "not checked":
            console.print(str(finding), markup=False, soft_wrap=True)
    if bad := wrong(found):
        raise ConfigurationError("\n".join([f"{len(bad)} to mend before submitting:", *map(str, bad)]))


def findings(api: WorkflowApi, submission: Submission) -> Iterator[Finding]:
    """Everything that is looked at, one by one; the dataset and the model were read by this machine already."""
    from workflows.cluster.check_objects import check_objects
    from workflows.cluster.check_pods import check_pods

    parameters, pods = submission.parameters, submission.pods
    yield Finding("dataset and model, as this machine sees them", "ok")
    yield _bucket(submission)
    yield _version(api)
    if isinstance(pods, FilledIn):
        yield Finding("what pods need", "not checked", f"WorkflowTemplate {pods.template} has their settings")
        return
    kubernetes = kubernetes_beside(api)
    if kubernetes is None:
        words = "asked through the Argo Server, which does not tell; set KUBECONFIG, too"
        yield Finding("permissions, service account, secrets, nodes", "not checked", words)
    else:
        yield from check_objects(
            kubernetes, pods, gpus=pods.gpus_of(parameters.device), threads=parameters.threads_per_step
        )
    yield from check_pods(api, parameters, pods, submission.in_bucket())


def _bucket(submission: Submission) -> Finding:
    what, key = "bucket of the run, written by this machine", "checks/from-here"
    try:
        submission.store.put(key, __version__.encode())
        submission.store.delete(key)
    except InferenceError as error:
        return Finding(what, "wrong", str(error))
    return Finding(what, "ok")


def _version(api: WorkflowApi) -> Finding:
    try:
        version = api.version()
    except InferenceError as error:
        return Finding("Argo's version", "not checked", str(error))
    if version is None:
        return Finding("Argo's version", "not checked", "only the Argo Server tells it")
    if version.startswith(ARGO_VERSIONS):
        return Finding(f"Argo {version}", "ok")
    return Finding("Argo's version", "wrong", f"{version}; this project is for 3.7 and 4")
