"""``run.json``: what was asked of a run, and when, where, by whom and with which versions it was begun."""

import getpass
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from imaging_core import __version__, run

FORMAT = 1
PACKAGES = ("hera", "minio", "numpy", "pillow", "pyyaml", "scipy", "tifffile", "torch")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Under which a run was begun.

    Attributes:
        created: ISO 8601, UTC.
        versions: of this project, Python and the packages that matter here.
        host: the machine or pod that began it.
        user: who began it there; empty when that was not recorded.
    """

    created: str
    versions: dict[str, str]
    host: str
    user: str

    @classmethod
    def now(cls) -> "Circumstances":
        """Those of this moment and machine."""
        return cls(datetime.now(UTC).isoformat(timespec="milliseconds"), _versions(), platform.node(), _user())


def record_json(
    circumstances: Circumstances,
    parameters: Mapping[str, Any],
    dataset: str,
    model: str,
    pods: Mapping[str, Any] | None = None,
) -> bytes:
    """The bytes of ``run.json``.

    Args:
        circumstances: of its begin.
        parameters: what was asked, by name.
        dataset: SHA-256 of the dataset file's bytes.
        model: SHA-256 of the model card's bytes; empty when the run makes its model itself.
        pods: settings of its pods; None for a run that began on a person's machine.
    """
    return run.to_json(
        {
            "format": FORMAT,
            "created": circumstances.created,
            "parameters": parameters,
            "digests": {"dataset": dataset, "model": model},
            "versions": circumstances.versions,
            "host": circumstances.host,
            "user": circumstances.user,
            **({} if pods is None else {"pods": pods}),
        }
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in many containers
        return str(os.getuid())


def _versions() -> dict[str, str]:
    versions = {"distributed-medical-inference": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
