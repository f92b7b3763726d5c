"""``submit``: a run on a cluster, through Argo Workflows."""

import argparse
import json
import shlex
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from imaging_core.errors import EXIT_DONE, InferenceError, UsageError
from steps.command import positive
from workflows import pod_options
from workflows.ci.write import add_ci_options
from workflows.cluster.conclusion import watch_to_the_end
from workflows.cluster.connection import connect
from workflows.commands.check import FROM_TEMPLATE, check_before, submission_of
from workflows.manifest import to_yaml
from workflows.options import OWN_COMMAND, add_options
from workflows.submission import DEFAULT_SHARDS, Submission
from workflows.templates.filled_in import FilledIn
from workflows.upload import megabytes

DESCRIPTION = """\
Run the pipeline on a Kubernetes cluster with Argo Workflows: the pipeline of run, each shard in a pod of its own. The
cluster is found as Argo's own command finds it: ARGO_SERVER and ARGO_TOKEN, else KUBECONFIG and its current context,
else the pod's service account. Dataset, images, model and run lie in S3; a dataset file or a bundle on this machine is
brought to the run.
"""
EPILOG = """\
examples:
  %(prog)s --dataset s3://data/isic/isic.yml --model s3://models/unet --run s3://runs/isic-1 \\
      --shards 16 --parallelism 4 --device cuda --s3-secret bucket-credentials --watch
  %(prog)s --dataset s3://data/isic/isic.yml --model s3://models/unet --run s3://runs/isic-2 --wait \\
      --require 'iou.mean>=0.77' --no-regression s3://runs/isic-1 --junit verdict.xml
  %(prog)s --dataset data/cells.yml --upload-images --model models/unet --run s3://runs/cells-1 --dry-run
  %(prog)s --from-template --dataset s3://data/isic/isic.yml --model s3://models/unet --run s3://runs/isic-3

exit codes:
  0 submitted; with --watch or --wait 0 when every case is done, 1 when the run finished but is incomplete or not
  acceptable, else the code of the step that failed; 64 usage, 65 bad data, 75 the cluster or the store is away,
  or --timeout was over first, 78 configuration
"""


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``submit`` to the command line."""
    parser = commands.add_parser(
        "submit",
        help="run the pipeline on a cluster",
        usage=f"{OWN_COMMAND} submit --dataset LOCATION --model LOCATION --run s3://BUCKET/KEY [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    add_options(
        parser,
        run="needed: s3://bucket/key",
        shards=f"default: as many as --parallelism, else {DEFAULT_SHARDS}",
        parallelism="default: all shards",
    )
    parser.add_argument("--upload-images", action="store_true", help="bring images of this machine to the run, too")
    parser.add_argument("--from-template", action="store_true", help=FROM_TEMPLATE)
    pod_options.add_pod_options(parser)
    add_submission_options(parser)
    parser.set_defaults(main=main)


def add_submission_options(parser: argparse.ArgumentParser) -> None:
    """Add what ``submit`` and ``resume`` share: where to, and what happens afterwards."""
    group = parser.add_argument_group("the cluster")
    group.add_argument("--namespace", "-n", metavar="NAME", help="(default: ARGO_NAMESPACE, else the context's own)")
    group.add_argument(
        "--no-check", dest="check", action="store_false", help="submit without looking for mistakes first"
    )
    group.add_argument(
        "--dry-run", action="store_true", help="let the cluster check the Workflow and print it; nothing is written"
    )
    after = group.add_mutually_exclusive_group()
    after.add_argument("--watch", action="store_true", help="show the run's progress until it ends")
    after.add_argument("--wait", action="store_true", help="wait until the run ends, and say nothing")
    group.add_argument("--timeout", type=positive, metavar="SECONDS", help="stop waiting after it; the run goes on")
    group.add_argument("--json", action="store_true", help="one JSON object on stdout")
    add_ci_options(parser)


def main(arguments: argparse.Namespace) -> int:
    """Check, upload, create, and say what was created."""
    check_waiting(arguments)
    return submit(arguments, submission_of(arguments))


def check_waiting(arguments: argparse.Namespace) -> None:
    """UsageError when what is written at a run's end is asked for, and nobody waits for it."""
    if (arguments.junit or arguments.markdown) and not (arguments.watch or arguments.wait):
        raise UsageError("--junit and --markdown are written when the run has ended; add --wait, or --watch")


def submit(arguments: argparse.Namespace, submission: Submission) -> int:
    """Create the Workflow; with ``--watch`` or ``--wait`` the exit code is the run's."""
    console = Console(stderr=True, highlight=False)
    api = connect(arguments.namespace)
    manifest = submission.manifest()
    _say(console, [*_introduction(submission), f"cluster  {api.describe()}", ""])
    if arguments.dry_run:
        api.create(manifest, dry_run=True)
        print(json.dumps(manifest, ensure_ascii=False) if arguments.json else to_yaml(manifest), end="")
        _say(console, ["The cluster accepts it; nothing was written or created."])
        return EXIT_DONE
    if arguments.check:
        check_before(api, submission, console)
    _upload(submission, console)
    submission.record()
    try:
        created = api.create(manifest)
    except InferenceError:
        submission.forget()
        raise
    name, link = str(created["metadata"]["name"]), api.link(created["metadata"]["name"])
    if arguments.json and not (arguments.watch or arguments.wait):
        print(json.dumps(_summary(submission, api.namespace, name, link), ensure_ascii=False))
    elif not arguments.json:
        print("\n".join(_created(name, api.namespace, link)), flush=True)
    if not (arguments.watch or arguments.wait):
        return EXIT_DONE
    run_location = str(submission.store.root)
    return watch_to_the_end(api, name, run_location, console, arguments, quiet=arguments.wait)


def _introduction(submission: Submission) -> list[str]:
    parameters, pods = submission.parameters, submission.pods
    threads = "1 thread" if parameters.threads_per_step == 1 else f"{parameters.threads_per_step} threads"
    lines = [
        f"dataset  {submission.inputs.dataset}",
        f"model    {submission.inputs.model}",
        f"run      {submission.store.root.for_person()}",
    ]
    if isinstance(pods, FilledIn):
        lines += [f"         {parameters.shards} shards", f"template {pods.template}"]
        images = pods.images
    else:
        lines.append(f"         {parameters.shards} shards, {parameters.parallelism} at a time, {threads} each")
        images = (pods.images.core, pods.images.gpu)
    lines += [f"{'images' if index == 0 else '':<9}{image}" for index, image in enumerate(images)]
    if submission.missing is not None:
        lines.append(f"         resumed: {len(submission.missing)} shards to do")
    if submission.upload is not None and submission.upload.images:
        upload = submission.upload
        absent = f"; {upload.absent} more are not there and will be failed cases" if upload.absent else ""
        lines.append(f"upload   {upload.images} images and masks, {megabytes(upload.size)}{absent}")
    return lines


def _upload(submission: Submission, console: Console) -> None:
    upload = submission.upload
    if upload is None or not upload.files:
        return
    columns = TextColumn("uploading"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("upload", total=upload.size or None)
        upload.carry_out(submission.store, lambda size: progress.advance(task, size))


def _created(name: str, namespace: str, link: str | None) -> list[str]:
    where = f" -n {shlex.quote(namespace)}"
    return [
        f"Workflow {name} was created in namespace {namespace}.",
        *([f"  {link}"] if link else []),
        "Next:",
        f"  {OWN_COMMAND} watch {name}{where}",
        f"  {OWN_COMMAND} logs {name}{where} -f",
        f"  {OWN_COMMAND} stop {name}{where}",
    ]


def _summary(submission: Submission, namespace: str, name: str, link: str | None) -> Mapping[str, Any]:
    return {"workflow": name, "namespace": namespace, "link": link, "run": str(submission.store.root)}


def _say(console: Console, lines: list[str]) -> None:
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    sys.stderr.flush()
