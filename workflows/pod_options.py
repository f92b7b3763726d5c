"""The options that say where and how a run's pods run; ``submit``, ``resume``, ``check`` and ``render`` share them."""

import argparse
import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any, get_args

from imaging_core.errors import UsageError
from steps.command import positive
from workflows.pods import DEFAULT_IMAGE, SERVICE_ACCOUNT, Pods, PullPolicy, Toleration, pair

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?")
_DURATION = re.compile(r"(\d+)(s|m|h|d)?")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def add_pod_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of pods. One that is not given is None: see :func:`given`."""
    pods = parser.add_argument_group("the pods")
    add = pods.add_argument
    add("--image", metavar="PREFIX[:TAG]", help=_IMAGE)
    add("--image-pull-policy", choices=get_args(PullPolicy), help="(default: Kubernetes')")
    add("--image-pull-secret", dest="image_pull_secrets", action="append", type=_name, metavar="NAME", help=_PULL)
    add("--service-account", type=_name, metavar="NAME", help=f"what pods run as (default: {SERVICE_ACCOUNT})")
    add("--gpus-per-step", type=_count, metavar="N", help="GPUs of each infer pod (default: 1 with --device cuda)")
    add("--cpu", type=_quantity, metavar="N", help="CPU of each pod, such as 2 or 500m (default: --threads-per-step)")
    add("--memory", type=_quantity, metavar="SIZE", help=f"memory of each infer pod (default: {Pods().memory})")
    add("--ephemeral-storage", type=_quantity, metavar="SIZE", help=_STORAGE)
    add("--retry-other-node", action="store_true", default=None, help=_OTHER_NODE)
    add("--active-deadline", type=_duration, metavar="TIME", help="Argo ends the workflow after it: 12h (default: 7d)")

    place = parser.add_argument_group("where pods are placed")
    add = place.add_argument
    add("--node-selector", action="append", type=_checked(pair), metavar="KEY=VALUE", help="a node's label; repeat")
    add(
        "--toleration",
        dest="tolerations",
        action="append",
        type=_checked(Toleration.parse),
        metavar=_TAINT,
        help=_TOLERATION,
    )
    add("--priority-class", type=_name, metavar="NAME", help="PriorityClass of all pods")
    add("--runtime-class", type=_name, metavar="NAME", help="RuntimeClass of infer pods with GPUs")
    add("--semaphore", type=_semaphore, metavar="CONFIGMAP/KEY", help=_SEMAPHORE)
    add(
        "--label", dest="labels", action="append", type=_checked(pair), metavar="KEY=VALUE", help="of workflow and pods"
    )

    access = parser.add_argument_group("how pods reach S3")
    add = access.add_argument
    add("--pod-s3-endpoint", dest="s3_endpoint", type=_endpoint, metavar="URL", help=_ENDPOINT)
    add("--s3-region", metavar="NAME", help="region of the endpoint (default: AWS_REGION)")
    add("--s3-secret", type=_name, metavar="NAME", help=_SECRET)
    add("--s3-secret-keys", type=_keys, metavar="KEY,KEY", help=_KEYS)
    add("--ca-secret", type=_name, metavar="NAME", help="secret whose ca.crt holds the certificates to trust for S3")


_IMAGE = (
    "where the step images lie: PREFIX/core:TAG and PREFIX/gpu:TAG, or core=IMAGE,gpu=IMAGE "
    f"(default: {DEFAULT_IMAGE}; default tag: this version)"
)
_PULL = "secret with the registry's credentials; repeat for more"
_STORAGE = f"disk of each infer pod for large images (default: {Pods().ephemeral_storage})"
_OTHER_NODE = "try a failed pod again on another node only; with a single node it waits for ever"
_TAINT = "KEY[=VALUE][:EFFECT]"
_TOLERATION = "a taint that pods tolerate; repeat for more"
_SEMAPHORE = "how many infer pods may run at once, over all workflows that name this entry of a ConfigMap"
_LABEL = "of the workflow and its pods; repeat for more"
_ENDPOINT = "URL by which pods reach S3, when it is not this machine's (default: AWS_ENDPOINT_URL_S3)"
_SECRET = "secret with the pods' S3 credentials (default: their service account's own identity)"  # noqa: S105
_KEYS = f"the secret's keys for access key id and secret access key (default: {Pods().s3_secret_keys})"


def given(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that the command line names, by their names in :class:`Pods`."""
    named = {each.name: getattr(arguments, each.name) for each in fields(Pods)}
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in named.items() if value is not None
    }


def _checked(check: Callable[[str], object]) -> Callable[[str], str]:
    def text_of(text: str) -> str:
        try:
            check(text)
        except UsageError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        return text

    return text_of


def _matching(pattern: re.Pattern[str], words: str) -> Callable[[str], str]:
    def check(text: str) -> None:
        if not pattern.fullmatch(text):
            raise UsageError(f"{text!r} is not {words}")

    return _checked(check)


_name = _matching(_NAME, "the name of an object in Kubernetes: small letters, digits, '-' and '.'")
_quantity = _matching(_QUANTITY, "a size, such as 8Gi")
_semaphore = _matching(re.compile(f"{_NAME.pattern}/[-._a-zA-Z0-9]+"), "CONFIGMAP/KEY")
_endpoint = _matching(re.compile("https?://[^/@]+/?"), "a URL such as http://minio.storage:9000")
_keys = _matching(re.compile(r"[-._a-zA-Z0-9]+,[-._a-zA-Z0-9]+"), "two keys of a secret, such as accesskey,secretkey")


def _duration(text: str) -> int:
    found = _DURATION.fullmatch(text)
    if not found or not int(found[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time, such as 90m, 12h or 7d")
    return int(found[1]) * _SECONDS[found[2] or ""]


def _count(text: str) -> int:
    return 0 if text == "0" else positive(text)
