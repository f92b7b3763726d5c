"""``run.json``: what was asked, written before anything else, so that a run can be understood and resumed."""

import getpass
import json
import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from imaging_core import __version__, run
from imaging_core.errors import DataError
from imaging_core.store.base import Store
from workflows.parameters import Parameters, checked_fields
from workflows.pods import Pods

FORMAT = 1
PACKAGES = ("hera", "minio", "numpy", "pillow", "pyyaml", "scipy", "tifffile", "torch")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as it was begun.

    Attributes:
        created: ISO 8601, UTC.
        dataset: SHA-256 of the dataset file's bytes.
        model: SHA-256 of the model card's bytes.
        versions: of this project, Python and the packages that matter here.
        host: the machine that began it.
        user: who began it there; empty when that was not recorded.
        pods: how its pods run; None for a run that began on this machine.
    """

    created: str
    parameters: Parameters
    dataset: str
    model: str
    versions: dict[str, str]
    host: str
    user: str = ""
    pods: Pods | None = None

    @classmethod
    def now(cls, parameters: Parameters, dataset: str, model: str, pods: Pods | None = None) -> "RunRecord":
        """The record of a run that begins now, on this machine."""
        created = datetime.now(UTC).isoformat(timespec="milliseconds")
        return cls(created, parameters, dataset, model, _versions(), platform.node(), _user(), pods)

    def write(self, store: Store) -> None:
        """Put it below the run's prefix."""
        store.put(run.RUN, self._to_json())

    def is_written(self, store: Store) -> bool:
        """Whether the run's record is this one, not that of another run which began at the same moment."""
        return store.get(run.RUN) == self._to_json()

    def _to_json(self) -> bytes:
        return run.to_json(
            {
                "format": FORMAT,
                "created": self.created,
                "parameters": self.parameters.to_json(),
                "digests": {"dataset": self.dataset, "model": self.model},
                "versions": self.versions,
                "host": self.host,
                "user": self.user,
                **({} if self.pods is None else {"pods": asdict(self.pods)}),
            }
        )


def read_record(store: Store) -> RunRecord:
    """The record of a run.

    Raises:
        MissingError: there is none.
        DataError: it is not one that this version can read.
    """
    where = str(store.root.join(run.RUN))
    try:
        value: dict[str, Any] = json.loads(store.get(run.RUN))
        if value["format"] != FORMAT:
            raise DataError(f"{where}: format {value['format']} is not {FORMAT}; use the version that began the run")
        parameters = Parameters.from_json(value["parameters"], where)
        digests = value["digests"]
        created, versions = str(value["created"]), dict(value["versions"])
        host, user = str(value["host"]), str(value.get("user", ""))
        pods = Pods(**checked_fields(Pods, value["pods"], f"{where}: pods")) if "pods" in value else None
        dataset, model = str(digests["dataset"]), str(digests["model"])
        return RunRecord(created, parameters, dataset, model, versions, host, user, pods)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{where}: not the record of a run ({type(error).__name__}: {error})") from error


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
