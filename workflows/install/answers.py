"""What differs between installations."""

import argparse
import ipaddress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from steps.command import positive
from workflows.options import location

MANIFESTS = Path(__file__).parents[2] / "manifests"
DEFAULT_OVERLAY = "existing-argo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The answers, which the namespace remembers; None leaves a setting as the manifests have it.

    Attributes:
        overlay: a folder of ``manifests/overlays``.
        parallelism: so many shards of all workflows are inferred at once.
        gpus: so many GPUs may be requested in the namespace.
        s3_endpoint: URL by which pods reach S3.
        s3_cidrs: addresses of S3, where it is not in the cluster.
        s3_secret: with the credentials that the pods of templates use for S3.
        image: of the templates' steps, see :meth:`workflows.pods.Images.under`.
        runs: below which the templates' runs lie, full location; None leaves it to who fills in a form.
    """

    overlay: str = DEFAULT_OVERLAY
    parallelism: int | None = None
    gpus: int | None = None
    s3_endpoint: str | None = None
    s3_cidrs: tuple[str, ...] = ()
    s3_secret: str | None = None
    image: str | None = None
    runs: str | None = None

    @classmethod
    def remembered(cls, stored: dict[str, Any]) -> "Answers":
        """From what :meth:`to_json` made, by this version or another: what it does not know is left out."""
        known = {each.name for each in fields(cls)}
        kept: dict[str, Any] = {name: value for name, value in stored.items() if name in known}
        return cls(**kept | {"s3_cidrs": tuple(kept.get("s3_cidrs", ()))})

    def to_json(self) -> dict[str, Any]:
        """Only what was answered."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}

    def changed_by(self, arguments: argparse.Namespace) -> "Answers":
        """These, with what the command line says."""
        named = {each.name: getattr(arguments, each.name) for each in fields(self)}
        given = {name: value for name, value in named.items() if value is not None}
        if "s3_cidrs" in given:
            given["s3_cidrs"] = tuple(given["s3_cidrs"])
        return replace(self, **given)


def overlays() -> list[str]:
    """The names of those that are there."""
    return sorted(path.parent.name for path in MANIFESTS.glob("overlays/*/kustomization.yaml"))


def add_answers(parser: argparse.ArgumentParser) -> None:
    """Add the options; one that is not given is None."""
    group = parser.add_argument_group("answers (default: what was answered before, else what the manifests say)")
    add = group.add_argument
    add("--overlay", choices=overlays(), help=f"what to install (default: {DEFAULT_OVERLAY})")
    add("--parallelism", type=positive, metavar="N", help="so many shards are inferred at once, over all workflows")
    add("--gpus", type=positive, metavar="N", help="so many GPUs may the namespace's pods request")
    add("--s3-endpoint", type=_url, metavar="URL", help="by which pods reach S3; narrows their network policy to it")
    add("--s3-cidr", dest="s3_cidrs", action="append", type=_cidr, metavar="CIDR", help="addresses of S3; repeat")
    add("--s3-secret", metavar="NAME", help="secret with the templates' S3 credentials, keys accesskey and secretkey")
    add(
        "--image",
        metavar="PREFIX[:TAG]",
        help="the templates' images, as of submit; core=IMAGE@sha256:…,gpu=… by digest",
    )
    add(
        "--runs", type=location, metavar="LOCATION", help="below which runs lie: what forms propose (default: they ask)"
    )
    add_argo_manifests(parser)


def add_first_time(parser: argparse.ArgumentParser) -> None:
    """Add what ``apply`` can make besides, where it is not there: never an answer, and never removed."""
    group = parser.add_argument_group("the first time")
    group.add_argument("--create-namespace", action="store_true", help="make the namespace, where there is none")
    group.add_argument("--s3-secret-from-environment", action="store_true", help=_FROM_ENVIRONMENT)


def add_argo_manifests(parser: argparse.ArgumentParser) -> None:
    """Add where Argo's own manifests are: of this machine, and so never remembered."""
    parser.add_argument("--argo-manifests", type=Path, metavar="FOLDER", help=_ARGO)


_FROM_ENVIRONMENT = (
    "make the secret of --s3-secret, where there is none, of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: credentials "
    "that last, and may do no more than the pods should"
)
_ARGO = "the folder manifests/ of a copy of Argo Workflows, where GitHub is out of reach (quickstart, production)"


def _cidr(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; give addresses as 10.1.2.0/24") from error


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        if parts.scheme in ("http", "https") and parts.hostname and not parts.username and parts.port != 0:
            return text.rstrip("/")
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not a URL such as http://minio.storage:9000")
